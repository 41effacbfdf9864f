"""Measures as functions of what examples add up to, so that they can be resampled and taken of any part.

S examples, K counts an example, B resamples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from erya.metrics.averages import divide

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Measure:
    """A number that says how good the answers are.

    Attributes:
        name: as in metrics.json.
        title: as people read it.
        of_sums: from summed counts, shape (..., K), to values, shape (...); None where it is no function of
            sums.
        of_rows: from the counts of examples, shape (S, K), to the value; None where `of_sums` is there.
        is_error: whether less is better.
    """

    name: str
    title: str
    of_sums: Callable[[Values], Values] | None = None
    of_rows: Callable[[Values], float] | None = None
    is_error: bool = False


def ratio(name: str, title: str, above: int, below: int, *, is_error: bool = False) -> Measure:
    """The measure that divides one count by another; of errors less is better."""
    return Measure(
        name,
        title,
        of_sums=lambda sums: divide(sums[..., above], sums[..., below]),
        is_error=is_error,
    )


@dataclass(frozen=True, slots=True)
class ClassCounts:
    """Where the hits, false alarms and misses of C classes stand among the counts.

    Attributes:
        start: the first of 3 * C counts: hits, then false alarms, then misses.
        size: C.
    """

    start: int
    size: int

    def split(self, sums: Values) -> tuple[Values, Values, Values]:
        """Hits, false alarms and misses, each of shape (..., C)."""
        parts = sums[..., self.start : self.start + 3 * self.size]
        hits, alarms, misses = np.split(parts, 3, axis=-1)
        return hits, alarms, misses

    def class_f1(self, sums: Values) -> Values:
        """F1 of each class, shape (..., C)."""
        hits, alarms, misses = self.split(sums)
        return divide(2 * hits, 2 * hits + alarms + misses)

    def macro_f1(self, sums: Values) -> Values:
        """Mean F1 of the classes that occur in the truth or among the answers."""
        hits, alarms, misses = self.split(sums)
        occur = (hits + alarms + misses) > 0
        return divide((self.class_f1(sums) * occur).sum(axis=-1), occur.sum(axis=-1))

    def weighted_f1(self, sums: Values) -> Values:
        """Mean F1 weighted by how often each class occurs in the truth."""
        hits, _, misses = self.split(sums)
        support = hits + misses
        return divide((self.class_f1(sums) * support).sum(axis=-1), support.sum(axis=-1))

    def micro(self, sums: Values) -> tuple[Values, Values, Values]:
        """Precision, recall and F1 of all classes together."""
        hits, alarms, misses = (part.sum(axis=-1) for part in self.split(sums))
        return (
            divide(hits, hits + alarms),
            divide(hits, hits + misses),
            divide(2 * hits, 2 * hits + alarms + misses),
        )
