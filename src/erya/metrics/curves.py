"""How precision and recall trade against each other as the threshold moves. S examples, T thresholds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from erya.metrics.averages import divide


@dataclass(frozen=True, slots=True)
class PrecisionRecallCurve:
    """Precision and recall at every threshold that makes a difference, the highest first.

    Attributes:
        thresholds: the different scores, falling, shape (T,); scores from a threshold up are accepted.
        precision: share of the accepted that is positive, shape (T,).
        recall: share of the positive that is accepted, rising, shape (T,).
    """

    thresholds: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]

    @property
    def average_precision(self) -> float:
        """Area under the steps of the curve, in [0, 1]: precisions, weighted by what each adds to recall.

        Source: Manning, Raghavan and Schütze 2008, Introduction to Information Retrieval, section 8.4.
        """
        return float((np.diff(self.recall, prepend=0.0) * self.precision).sum())


def precision_recall_curve(
    scores_S: ArrayLike, positive_S: ArrayLike, *, num_positives: int | None = None
) -> PrecisionRecallCurve:
    """The curve of one class against all others.

    Args:
        scores_S: finite, shape (S,).
        positive_S: bool, shape (S,); without a positive example recall is 0 throughout.
        num_positives: how many there are in truth, where not all of them got a score: spans a model did not
            propose. By default those that have one.
    Raises:
        ValueError: the shapes differ, a score is not finite, or more positives have scores than there are.
    """
    thresholds, right, accepted = _accepted(scores_S, positive_S)
    scored = int(right[-1]) if right.size else 0
    wanted = scored if num_positives is None else num_positives
    if wanted < scored:
        raise ValueError(f"{scored} positive examples have scores, but there are only {wanted}")
    return PrecisionRecallCurve(thresholds, divide(right, accepted), divide(right, wanted))


def _accepted(
    scores: ArrayLike, positive: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Different scores, falling, with the number of positives and of all examples from there up."""
    values, mask = np.asarray(scores, dtype=np.float64), np.asarray(positive, dtype=bool)
    if values.shape != mask.shape or values.ndim != 1:
        raise ValueError(f"scores of shape {values.shape} do not go with a truth of shape {mask.shape}")
    if not np.isfinite(values).all():
        raise ValueError("a score is not finite")
    rising, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    right = np.bincount(which, weights=mask, minlength=len(rising)).astype(np.int64)
    return rising[::-1], np.cumsum(right[::-1]), np.cumsum(counts[::-1])
