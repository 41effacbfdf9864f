"""How well predicted numbers follow the true ones: Pearson, Spearman, and mean errors. S examples."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class CorrelationScores:
    """Everything `PairedValues` knows, computed.

    Attributes:
        pearson: correlation of the values, in [-1, 1].
        spearman: correlation of their ranks, in [-1, 1].
        mean_absolute_error: in the unit of the values.
        mean_squared_error: in its square.
        num_examples: how many pairs.
    """

    pearson: float
    spearman: float
    mean_absolute_error: float
    mean_squared_error: float
    num_examples: int

    def numbers(self) -> dict[str, float]:
        """The numbers a run is watched by."""
        return {
            "pearson": self.pearson,
            "spearman": self.spearman,
            "mean_absolute_error": self.mean_absolute_error,
            "mean_squared_error": self.mean_squared_error,
        }

    def to_dict(self) -> dict[str, Any]:
        """The scores as plain JSON values."""
        values = asdict(self)
        return {"examples": values.pop("num_examples"), **values}


class PairedValues:
    """Collects true and predicted numbers: ranks need all of them, so 16 bytes an example are kept."""

    def __init__(self) -> None:
        self._truth: list[NDArray[np.float64]] = []
        self._predicted: list[NDArray[np.float64]] = []

    def add(self, truth_S: ArrayLike, predicted_S: ArrayLike) -> None:
        """Count a batch.

        Args:
            truth_S: the true numbers, shape (S,).
            predicted_S: a model's, shape (S,).
        Raises:
            ValueError: the shapes differ, or a value is not finite.
        """
        truth, predicted = _paired(truth_S, predicted_S)
        self._truth.append(truth)
        self._predicted.append(predicted)

    def scores(self) -> CorrelationScores:
        """What was collected so far, as scores; all are 0 where there is nothing."""
        truth, predicted = (np.concatenate([np.zeros(0), *parts]) for parts in (self._truth, self._predicted))
        error = truth - predicted
        count = max(1, len(error))
        return CorrelationScores(
            pearson(truth, predicted),
            spearman(truth, predicted),
            float(abs(error).sum() / count),
            float((error**2).sum() / count),
            len(error),
        )


def pearson(first_S: ArrayLike, second_S: ArrayLike) -> float:
    """Correlation of two lists of numbers, in [-1, 1]; 0 if either is constant or has fewer than two.

    Raises:
        ValueError: the shapes differ, or a value is not finite.
    """
    first, second = _paired(first_S, second_S)
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(np.clip(_direction(first) @ _direction(second), -1, 1))


def spearman(first_S: ArrayLike, second_S: ArrayLike) -> float:
    """Correlation of the ranks, equal values sharing their mean rank; otherwise as `pearson`.

    Source: Spearman 1904, The proof and measurement of association between two things.
    """
    first, second = _paired(first_S, second_S)
    return pearson(ranks(first), ranks(second))


def ranks(values_S: ArrayLike) -> NDArray[np.float64]:
    """Ranks from 1, shape (S,); equal values share the mean of theirs."""
    values = np.asarray(values_S, dtype=np.float64)
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[which], dtype=np.float64)


def _direction(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Differences from the mean, of length 1; scaled first, so that tiny ones do not vanish when squared."""
    differences = values - values.mean()
    differences /= abs(differences).max()
    return np.asarray(differences / np.linalg.norm(differences))


def _paired(first: ArrayLike, second: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if one.shape != other.shape or one.ndim != 1:
        raise ValueError(f"values {one.shape} and {other.shape} are not one list each")
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        raise ValueError("a value is not finite")
    return one, other
