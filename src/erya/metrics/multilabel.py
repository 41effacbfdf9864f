"""Scores of multi-label classification, from counts alone: a text may have any number of labels, or none.

C labels, S examples. How thresholds are chosen is in `thresholds`.
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
    micro_average,
    precision_recall_f1,
)


@dataclass(frozen=True, slots=True)
class MultiLabelScores:
    """Everything `MultiLabelCounts` knows, computed.

    Attributes:
        micro: of all decisions together.
        macro: plain mean over all labels; one that never occurs and is never given counts as 0.
        weighted: mean over labels weighted by support.
        samples: mean over texts; one with no label in truth and prediction counts as 0.
        subset_accuracy: share of the texts with exactly the right labels, in [0, 1].
        hamming_loss: share of wrong decisions among all S x C, in [0, 1].
        labels: one entry a label, in the order of the labels.
        num_examples: how many texts were scored.
    """

    micro: AverageScores
    macro: AverageScores
    weighted: AverageScores
    samples: AverageScores
    subset_accuracy: float
    hamming_loss: float
    labels: tuple[ClassScores, ...]
    num_examples: int

    def numbers(self) -> dict[str, float]:
        """The numbers a run is watched by."""
        return {
            "micro_f1": self.micro.f1,
            "macro_f1": self.macro.f1,
            "weighted_f1": self.weighted.f1,
            "samples_f1": self.samples.f1,
            "subset_accuracy": self.subset_accuracy,
            "hamming_loss": self.hamming_loss,
        }

    def to_dict(self) -> dict[str, Any]:
        """The scores as plain JSON values."""
        return {
            "examples": self.num_examples,
            "subset_accuracy": self.subset_accuracy,
            "hamming_loss": self.hamming_loss,
            **{name: asdict(getattr(self, name)) for name in ("micro", "macro", "weighted", "samples")},
            "labels": [asdict(scores) for scores in self.labels],
        }


class MultiLabelCounts:
    """Counts labels deserved, given and both as they stream by.

    Args:
        labels: the names of the C labels.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        size = len(self.labels)
        self.right: NDArray[np.int64] = np.zeros(size, dtype=np.int64)
        self.predicted: NDArray[np.int64] = np.zeros(size, dtype=np.int64)
        self.support: NDArray[np.int64] = np.zeros(size, dtype=np.int64)
        self.samples: NDArray[np.float64] = np.zeros(3)  # sums of each text's precision, recall, F1
        self.num_examples = 0
        self.exact_examples = 0

    def add(self, truth_SC: ArrayLike, predicted_SC: ArrayLike) -> None:
        """Count a batch.

        Args:
            truth_SC: which labels each text deserves, bool, shape (S, C).
            predicted_SC: which it was given, bool, shape (S, C).
        Raises:
            ValueError: the shapes differ, or there are not C columns.
        """
        truth, predicted = np.asarray(truth_SC, dtype=bool), np.asarray(predicted_SC, dtype=bool)
        if truth.shape != predicted.shape or truth.ndim != 2 or truth.shape[1] != len(self.labels):
            shapes = f"truth {truth.shape} and predictions {predicted.shape}"
            raise ValueError(f"{shapes} are not {len(self.labels)} columns each")
        both = truth & predicted
        self.right += both.sum(axis=0)
        self.predicted += predicted.sum(axis=0)
        self.support += truth.sum(axis=0)
        by_text = precision_recall_f1(both.sum(axis=1), predicted.sum(axis=1), truth.sum(axis=1))
        self.samples += by_text.sum(axis=1)
        self.num_examples += len(truth)
        self.exact_examples += int((truth == predicted).all(axis=1).sum())

    def scores(self) -> MultiLabelScores:
        """What was counted so far, as scores.

        A quotient with nothing below the line is 0, and macro averages are over all labels: scikit-learn's
        defaults for label matrices.
        """
        counts = (self.right, self.predicted, self.support)
        table = precision_recall_f1(*counts)
        wrong = (self.predicted + self.support - 2 * self.right).sum()
        return MultiLabelScores(
            micro=micro_average(*counts),
            macro=mean_scores(table, np.ones(len(self.labels))),
            weighted=mean_scores(table, self.support),
            samples=AverageScores(*divide(self.samples, self.num_examples).tolist()),
            subset_accuracy=float(divide(self.exact_examples, self.num_examples)),
            hamming_loss=float(divide(wrong, self.num_examples * len(self.labels))),
            labels=class_table(self.labels, table, self.predicted, self.support),
            num_examples=self.num_examples,
        )
