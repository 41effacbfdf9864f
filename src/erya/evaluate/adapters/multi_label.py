"""Several labels a text as outcomes: each label is a claim of its own."""

from __future__ import annotations

import numpy as np

from erya.evaluate.adapters.adapter import Words
from erya.evaluate.measures import ClassCounts, Measure, ratio
from erya.evaluate.outcome import Claim, Outcome
from erya.tasks.classify.example import Example
from erya.tasks.classify.multi import MultiLabelPrediction, MultiLabelTask

_TEXTS, _RIGHT, _CLASSES = 0, 1, 2


class MultiLabelAdapter:
    """Any number of labels a text.

    Args:
        task: whose labels there are.
    """

    cells: tuple[str, ...] = ()
    scatter = None
    judges_each = True
    words = Words(classes="Labels", claim="labels", right="share true")

    def __init__(self, task: MultiLabelTask) -> None:
        self._task = task
        self.separator = task.separator
        self.classes = tuple(task.labels)
        self.class_counts = ClassCounts(_CLASSES, len(self.classes))
        micro = self.class_counts.micro
        self.measures = (
            Measure("micro_f1", "micro F1", of_sums=lambda sums: micro(sums)[2]),
            Measure("macro_f1", "macro F1", of_sums=self.class_counts.macro_f1),
            ratio("subset_accuracy", "all labels right", _RIGHT, _TEXTS),
        )

    def outcome(self, example: Example, prediction: MultiLabelPrediction) -> Outcome:
        """Compare the labels of one text with the model's.

        Raises:
            InputError: a true label is none of the model's.
        """
        truth = self._task.truth(example)
        given = np.array([label in prediction.labels for label in self.classes])
        scores = np.array([prediction.scores[label] for label in self.classes])
        counts = np.concatenate(
            [[1.0, (truth == given).all()], truth & given, given & ~truth, truth & ~given]
        )
        wrong = np.where(given, scores, 1 - scores)[truth != given]
        return Outcome(
            line=example.line,
            text=example.text,
            pair=example.pair,
            truth=self._in_words(truth),
            predicted=self._in_words(given),
            is_right=bool((truth == given).all()),
            severity=float(wrong.max(initial=0.0)),
            counts=counts,
            claims=tuple(Claim(float(scores[c]), bool(truth[c])) for c in np.flatnonzero(given | truth)),
            num_true=int(truth.sum()),
            distribution=scores.astype(np.float32),
            true_classes=tuple(np.flatnonzero(truth).tolist()),
        )

    def _in_words(self, chosen: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> str:
        return "、".join(self.classes[c] for c in np.flatnonzero(chosen)) or "none"
