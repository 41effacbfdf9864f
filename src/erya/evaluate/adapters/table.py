"""Which adapter a task has."""

from __future__ import annotations

from typing import Any

from erya.evaluate.adapters.adapter import Adapter
from erya.evaluate.adapters.classify import ClassifyAdapter
from erya.tasks.classify.task import ClassifyTask
from erya.tasks.task import Task


def adapter_for(task: Task[Any, Any]) -> Adapter:
    """The adapter of a task."""
    if isinstance(task, ClassifyTask):
        return ClassifyAdapter(task.labels)
    raise AssertionError(f"no adapter for {type(task).__name__}")
