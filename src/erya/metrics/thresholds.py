"""Where to cut scores: exact, over every way the data can be cut.

A score is accepted if it is at least the threshold. Thresholds lie halfway between the lowest accepted score
and the next one, so that rounding on another machine changes no decision. S examples, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from erya.metrics.averages import divide


@dataclass(frozen=True, slots=True)
class Threshold:
    """A threshold and what it is worth.

    Attributes:
        value: scores from here up are accepted.
        score: what is reached with it on the data it was chosen on; on other data expect less.
    """

    value: float
    score: float


def f1_thresholds(
    scores_SC: ArrayLike, positive_SC: ArrayLike, *, default: float = 0.5, min_positives: int = 1
) -> tuple[Threshold, ...]:
    """For each class the threshold with the highest F1; of equally good ones the highest.

    Args:
        scores_SC: finite, shape (S, C).
        positive_SC: where a class is deserved, bool, shape (S, C).
        default: the threshold of classes with fewer positive examples than `min_positives`.
        min_positives: a threshold chosen on few examples is chance; at least 1.
    Returns:
        C thresholds with their F1.
    Raises:
        ValueError: the shapes differ, a score is not finite, or `min_positives` is below 1.
    """
    scores, positive = _checked(scores_SC, positive_SC, dimensions=2)
    if min_positives < 1:
        raise ValueError(f"{min_positives} positive examples leave no F1 to choose by")
    support = positive.sum(axis=0)
    order = np.argsort(-scores, axis=0, kind="stable")
    falling = np.take_along_axis(scores, order, axis=0)
    right = np.cumsum(np.take_along_axis(positive, order, axis=0), axis=0)
    f1 = divide(2 * right, np.arange(1, len(scores) + 1)[:, None] + support)
    # Equal scores are accepted together or not at all.
    f1[:-1][falling[:-1] == falling[1:]] = -1.0
    columns = []
    for c, positives in enumerate(support.tolist()):
        if positives < min_positives:
            accepted = scores[:, c] >= default
            at_default = 2 * int((accepted & positive[:, c]).sum()) / max(1, int(accepted.sum()) + positives)
            columns.append(Threshold(default, at_default))
        else:
            best = int(f1[:, c].argmax())
            columns.append(Threshold(_below(falling[:, c], best), float(f1[best, c])))
    return tuple(columns)


def f1_threshold(scores_S: ArrayLike, positive_S: ArrayLike, *, default: float = 0.5) -> Threshold:
    """The threshold with the highest F1 for one class; `default` if there is no positive example.

    Args:
        scores_S: finite, shape (S,).
        positive_S: bool, shape (S,).
        default: the threshold where nothing can be chosen.
    Raises:
        ValueError: the shapes differ, or a score is not finite.
    """
    scores, positive = _checked(scores_S, positive_S, dimensions=1)
    (threshold,) = f1_thresholds(scores[:, None], positive[:, None], default=default)
    return threshold


def _below(falling: NDArray[np.float64], last: int) -> float:
    """Halfway between the last accepted of falling scores and the next; that score if none is lower."""
    accepted, refused = falling[last], falling[min(last + 1, len(falling) - 1)]
    middle = float(refused + (accepted - refused) / 2)
    return middle if middle > refused else float(accepted)


def _checked(
    scores: ArrayLike, positive: ArrayLike, *, dimensions: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    values, mask = np.asarray(scores, dtype=np.float64), np.asarray(positive, dtype=bool)
    if values.shape != mask.shape or values.ndim != dimensions:
        raise ValueError(f"scores of shape {values.shape} do not go with a truth of shape {mask.shape}")
    if not np.isfinite(values).all():
        raise ValueError("a score is not finite")
    return values, mask
