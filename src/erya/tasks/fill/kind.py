"""Filling masks as something a model is asked for, not fine-tuned for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from erya.data.records import read_records
from erya.tasks.fill.task import Example, FillTask
from erya.tasks.kind import PredictedKind


class FillKind:
    """What stands at the masks of a text, by a masked language model.

    Args:
        task: reads the texts.
    """

    name = "fill"
    inputs = ("text",)
    optional_inputs: frozenset[str] = frozenset()

    def __init__(self, task: FillTask) -> None:
        self._task = task

    def examples(self, path: Path, *, columns: Mapping[str, str], labelled: bool) -> Iterator[Example]:
        """The rows of a file; a truth they may have is not read."""
        for record in read_records(path, columns=columns):
            yield self._task.read(record)


if TYPE_CHECKING:
    _: PredictedKind[Example] = FillKind(FillTask((), 0))
