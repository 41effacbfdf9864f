"""Precision, recall and F1 of classes and their averages, from counts: what several metrics share.

C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class ClassScores:
    """One class against all others.

    Attributes:
        label: the class.
        precision: share of what was given this label that deserves it, in [0, 1].
        recall: share of what deserves this label that got it, in [0, 1].
        f1: harmonic mean of precision and recall, in [0, 1].
        support: how many deserve this label.
        predicted: how many were given this label.
    """

    label: str
    precision: float
    recall: float
    f1: float
    support: int
    predicted: int


@dataclass(frozen=True, slots=True)
class AverageScores:
    """Precision, recall and F1 averaged over classes, each in [0, 1]."""

    precision: float
    recall: float
    f1: float


def divide(above: ArrayLike, below: ArrayLike) -> NDArray[np.float64]:
    """Element-wise quotient, 0 where `below` is 0; shapes are broadcast."""
    dividend, divisor = np.broadcast_arrays(
        np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    )
    quotient = np.zeros(divisor.shape)
    np.divide(dividend, divisor, out=quotient, where=divisor != 0)
    return quotient


def precision_recall_f1(right: ArrayLike, predicted: ArrayLike, support: ArrayLike) -> NDArray[np.float64]:
    """Precision, recall and F1 as rows, shape (3, C), of three counts of shape (C,).

    A quotient with nothing below the line is 0: the precision of a class that was never predicted, the
    recall of one that never occurs, the F1 of one with neither (scikit-learn's `zero_division=0`).
    """
    predicted, support = np.asarray(predicted), np.asarray(support)
    f1 = divide(2 * np.asarray(right), predicted + support)
    return np.stack([divide(right, predicted), divide(right, support), f1])


def micro_average(right: ArrayLike, predicted: ArrayLike, support: ArrayLike) -> AverageScores:
    """The scores of the summed counts: every decision weighs the same."""
    sums = (np.asarray(counts).sum() for counts in (right, predicted, support))
    precision, recall, f1 = precision_recall_f1(*sums).tolist()
    return AverageScores(precision, recall, f1)


def mean_scores(table: NDArray[np.float64], weights: NDArray[Any]) -> AverageScores:
    """Weighted mean over classes of (precision, recall, F1) rows, shape (3, C); 0 where no class weighs."""
    weighted = table @ np.asarray(weights, dtype=np.float64)
    precision, recall, f1 = divide(weighted, np.asarray(weights).sum()).tolist()
    return AverageScores(precision, recall, f1)


def class_table(
    labels: Sequence[str],
    table: NDArray[np.float64],
    predicted: NDArray[np.int64],
    support: NDArray[np.int64],
) -> tuple[ClassScores, ...]:
    """One entry a class of (precision, recall, F1) rows, shape (3, C), in the order of the labels."""
    rows = zip(labels, *table.tolist(), support.tolist(), predicted.tolist(), strict=True)
    return tuple(ClassScores(*row) for row in rows)
