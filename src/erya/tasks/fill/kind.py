"""Filling masks as something a model is asked for, not fine-tuned for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from erya.data.records import read_records
from erya.tasks.fill.task import Example, FillTask
from erya.tasks.kind import PredictedKind


class FillKind:
    """What stands at `[MASK]`, by a masked language model."""

    name = "fill"
    inputs = ("text",)
    optional_inputs: frozenset[str] = frozenset()

    def examples(self, path: Path, *, columns: Mapping[str, str], labelled: bool) -> Iterator[Example]:
        """The rows of a file; a truth they may have is not read."""
        for record in read_records(path, columns=columns):
            yield FillTask(()).read(record)


if TYPE_CHECKING:
    _: PredictedKind[Example] = FillKind()
