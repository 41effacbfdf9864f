"""Evaluation that also asks what the model is worth for a task."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

Probe = Callable[[Path], Mapping[str, float]]
"""Is given a model directory that it may read while it is called; returns numbers for metrics.jsonl, whose
names begin with `eval_`. What a probe is, who calls `pretrain` decides: this room knows no task."""


@dataclass(slots=True)
class Probing:
    """An evaluation followed, every so many times, by a probe.

    Attributes:
        evaluate: what is asked every time.
        probe: what is asked besides; None on a rank that leaves it to another.
        save: writes the model as it is now into a directory.
        every: evaluations from one probe to the next.
    """

    evaluate: Callable[[], Mapping[str, float]]
    probe: Probe | None
    save: Callable[[Path], None]
    every: int = 1
    _evaluations: int = 0

    def __call__(self) -> dict[str, float]:
        """What the evaluation and, when it is due, the probe found."""
        found = dict(self.evaluate())
        self._evaluations += 1
        if self.probe is not None and self._evaluations % self.every == 0:
            with tempfile.TemporaryDirectory(prefix="erya-model-") as place:
                model = Path(place) / "model"
                self.save(model)
                found |= self.probe(model)
        return found
