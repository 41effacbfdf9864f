"""The kinds of tasks there are: a new one is a folder and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from erya.checkpoints.info import KindName
from erya.tasks.answer.kind import AnswerKind
from erya.tasks.classify.kind import ClassifyKind
from erya.tasks.embed.kind import EmbedKind
from erya.tasks.kind import AnyKind
from erya.tasks.match.kind import MatchKind
from erya.tasks.tag.kind import TagKind

KINDS: Mapping[KindName, AnyKind] = {
    "answer": AnswerKind(),
    "classify": ClassifyKind(),
    "match": MatchKind(),
    "embed": EmbedKind(),
    "tag": TagKind(),
}
