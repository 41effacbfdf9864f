"""Which adapter a task has."""

from __future__ import annotations

from typing import Any

from erya.evaluate.adapters.adapter import Adapter
from erya.evaluate.adapters.answer import AnswerAdapter
from erya.evaluate.adapters.classify import ClassifyAdapter
from erya.evaluate.adapters.embed import EmbedAdapter
from erya.evaluate.adapters.label_sets import LabelSetsAdapter
from erya.evaluate.adapters.match import match_adapter
from erya.evaluate.adapters.multi_label import MultiLabelAdapter
from erya.evaluate.adapters.tag import TagAdapter
from erya.tasks.answer.task import AnswerTask
from erya.tasks.classify.multi import MultiLabelTask
from erya.tasks.classify.sets import LabelSetsTask
from erya.tasks.classify.task import ClassifyTask
from erya.tasks.embed.task import EmbedTask
from erya.tasks.match.task import MatchTask
from erya.tasks.tag.task import TagTask
from erya.tasks.task import Task


def adapter_for(task: Task[Any, Any]) -> Adapter:
    """The adapter of a task."""
    match task:
        case ClassifyTask():
            return ClassifyAdapter(task.labels)
        case MultiLabelTask():
            return MultiLabelAdapter(task)
        case LabelSetsTask():
            return LabelSetsAdapter(task)
        case MatchTask():
            return match_adapter(task)
        case TagTask():
            return TagAdapter(task)
        case AnswerTask():
            return AnswerAdapter(may_refuse=task.options.can_abstain)
        case EmbedTask():
            return EmbedAdapter()
    raise AssertionError(f"no adapter for {type(task).__name__}")
