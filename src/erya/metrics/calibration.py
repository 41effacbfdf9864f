"""Does a model that says 90% err in one case of ten? Reliability tables and what they sum up to.

S examples, B bins. Of several classes the confidence is the probability of the answer given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from erya.metrics.averages import divide

NUM_BINS = 15


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Examples of similar confidence.

    Attributes:
        low: confidences are above this; in the lowest bin they may equal it.
        high: and at most this.
        count: how many examples; at least 1.
        confidence: their mean confidence, in [0, 1].
        accuracy: share of them that was right, in [0, 1].
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


class ReliabilityCounts:
    """Counts examples in bins of equal width as they stream by.

    Args:
        num_bins: B.
    """

    def __init__(self, num_bins: int = NUM_BINS) -> None:
        self.edges = _even_edges(num_bins)
        self.sums: NDArray[np.float64] = np.zeros((num_bins, 3))  # count, confidence, right

    def add(self, confidences_S: ArrayLike, right_S: ArrayLike) -> None:
        """Count a batch.

        Args:
            confidences_S: in [0, 1], shape (S,).
            right_S: bool, shape (S,).
        Raises:
            ValueError: the shapes differ, or a confidence is not in [0, 1].
        """
        self.sums += _sums(*_checked(confidences_S, right_S), self.edges)

    def table(self) -> tuple[ReliabilityBin, ...]:
        """The bins that hold an example, by rising confidence."""
        return _table(self.sums, self.edges)


def expected_calibration_error(table: Sequence[ReliabilityBin]) -> float:
    """Mean distance of confidence and accuracy over the examples, in [0, 1]; 0 without any.

    Source: Guo et al. 2017, On calibration of modern neural networks, section 2.
    """
    gaps = sum(abs(row.confidence - row.accuracy) * row.count for row in table)
    return gaps / max(1, sum(row.count for row in table))


def _even_edges(num_bins: int) -> NDArray[np.float64]:
    if num_bins < 1:
        raise ValueError(f"{num_bins} bins hold nothing")
    return np.linspace(0.0, 1.0, num_bins + 1)


def _sums(
    confidences: NDArray[np.float64], right: NDArray[np.bool_], edges: NDArray[np.float64]
) -> NDArray[np.float64]:
    bins = np.searchsorted(edges[1:-1], confidences)
    columns = (np.ones(len(bins)), confidences, right)
    return np.stack([np.bincount(bins, weights, len(edges) - 1) for weights in columns], axis=1)


def _table(sums: NDArray[np.float64], edges: NDArray[np.float64]) -> tuple[ReliabilityBin, ...]:
    means = divide(sums[:, 1:], sums[:, :1])
    rows = zip(edges.tolist(), edges[1:].tolist(), sums[:, 0].tolist(), *means.T.tolist(), strict=False)
    return tuple(
        ReliabilityBin(low, high, int(count), confidence, accuracy)
        for low, high, count, confidence, accuracy in rows
        if count
    )


def _checked(confidences: ArrayLike, right: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    values, mask = np.asarray(confidences, dtype=np.float64), np.asarray(right, dtype=bool)
    if values.shape != mask.shape or values.ndim != 1:
        raise ValueError(f"confidences {values.shape} and answers {mask.shape} are not one list each")
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError("a confidence is not in [0, 1]")
    return values, mask
