"""Scores of single-label classification, from counts alone.

C classes, S examples. A confusion matrix of C x C integers is all that is kept, so scoring a million
texts takes no more memory than scoring ten, and batches may be added in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from erya.metrics.averages import (
    AverageScores,
    ClassScores,
    class_table,
    divide,
    mean_scores,
    precision_recall_f1,
)


@dataclass(frozen=True, slots=True)
class ClassificationScores:
    """Everything `ConfusionCounts` knows, computed.

    Attributes:
        accuracy: share of right answers, in [0, 1].
        macro: plain mean over the classes that occur in the truth or in the predictions.
        weighted: mean over classes weighted by support.
        classes: one entry a class, in the order of the labels.
        confusion: counts, int64, shape (C, C), truth by row, prediction by column.
    """

    accuracy: float
    macro: AverageScores
    weighted: AverageScores
    classes: tuple[ClassScores, ...]
    confusion: NDArray[np.int64]

    @property
    def num_examples(self) -> int:
        """How many examples were scored."""
        return int(self.confusion.sum())

    @property
    def only_answer(self) -> str | None:
        """The label that every text was given although they deserve several; None where it is not so."""
        given = [scores.label for scores in self.classes if scores.predicted]
        deserved = sum(scores.support > 0 for scores in self.classes)
        return given[0] if len(given) == 1 and deserved > 1 else None

    def numbers(self) -> dict[str, float]:
        """The numbers a run is watched by."""
        return {"accuracy": self.accuracy, "macro_f1": self.macro.f1, "weighted_f1": self.weighted.f1}

    def to_dict(self) -> dict[str, Any]:
        """The scores as plain JSON values."""
        return {
            "examples": self.num_examples,
            "accuracy": self.accuracy,
            "macro": asdict(self.macro),
            "weighted": asdict(self.weighted),
            "classes": [asdict(scores) for scores in self.classes],
            "confusion": self.confusion.tolist(),
        }


class ConfusionCounts:
    """Counts pairs of (truth, prediction) as they stream by.

    Args:
        labels: the names of the C classes; class c is labels[c].
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self.counts: NDArray[np.int64] = np.zeros((len(self.labels), len(self.labels)), dtype=np.int64)

    def add(self, truth_S: ArrayLike, predicted_S: ArrayLike) -> None:
        """Count a batch.

        Args:
            truth_S: class indices in [0, C), shape (S,).
            predicted_S: class indices in [0, C), shape (S,).
        Raises:
            ValueError: the shapes differ, or an index is outside [0, C).
        """
        truth, predicted = np.asarray(truth_S, dtype=np.int64), np.asarray(predicted_S, dtype=np.int64)
        if truth.shape != predicted.shape or truth.ndim != 1:
            raise ValueError(f"truth {truth.shape} and predictions {predicted.shape} are not one list each")
        size = len(self.labels)
        if truth.size and not (
            0 <= min(truth.min(), predicted.min()) <= max(truth.max(), predicted.max()) < size
        ):
            raise ValueError(f"a class index lies outside 0 to {size - 1}")
        self.counts += np.bincount(truth * size + predicted, minlength=size * size).reshape(size, size)

    def scores(self) -> ClassificationScores:
        """What was counted so far, as scores.

        A quotient with nothing below the line is 0: the precision of a class that was never predicted,
        the recall of a class that never occurs, the F1 of a class with neither, every average of nothing.
        The macro average leaves out classes that occur neither in the truth nor in the predictions.
        Both are scikit-learn's defaults (`zero_division=0`, labels found in the data).
        """
        right = np.diag(self.counts)
        support, predicted = self.counts.sum(axis=1), self.counts.sum(axis=0)
        table = precision_recall_f1(right, predicted, support)
        return ClassificationScores(
            accuracy=float(divide(right.sum(), support.sum())),
            macro=mean_scores(table, (support + predicted) > 0),
            weighted=mean_scores(table, support),
            classes=class_table(self.labels, table, predicted, support),
            confusion=self.counts.copy(),
        )
