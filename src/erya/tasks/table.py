"""The kinds of tasks there are: a new one is a folder and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from erya.checkpoints.info import KindName
from erya.tasks.classify.kind import ClassifyKind
from erya.tasks.kind import AnyKind

KINDS: Mapping[KindName, AnyKind] = {
    "classify": ClassifyKind(),
}
