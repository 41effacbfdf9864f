"""Classification, also of pairs, as outcomes: counts of C classes, one claim an example."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from erya.evaluate.adapters.adapter import Words
from erya.evaluate.measures import ClassCounts, Measure, ratio
from erya.evaluate.outcome import Claim, Outcome
from erya.tasks.classify.example import Example, Prediction

_TEXTS, _RIGHT, _CLASSES = 0, 1, 2


class ClassifyAdapter:
    """One label a text.

    Args:
        labels: the C classes.
    """

    words = Words()
    scatter: tuple[int, int, int] | None = None
    judges_each = True

    def __init__(self, labels: Sequence[str]) -> None:
        self.classes = self.cells = tuple(labels)
        self._index = {label: c for c, label in enumerate(self.classes)}
        self.class_counts = ClassCounts(_CLASSES, len(self.classes))
        self.measures = (
            ratio("accuracy", "accuracy", _RIGHT, _TEXTS),
            Measure("macro_f1", "macro F1", of_sums=self.class_counts.macro_f1),
            Measure("weighted_f1", "weighted F1", of_sums=self.class_counts.weighted_f1),
        )

    def outcome(self, example: Example, prediction: Prediction) -> Outcome:
        """Compare the label of one text with the model's."""
        return self.compare(
            text=example.text,
            pair=example.pair,
            line=example.line,
            truth=example.label or "",
            predicted=prediction.label,
            scores=prediction.scores,
        )

    def compare(
        self,
        *,
        text: str,
        pair: str | None,
        line: int,
        truth: str,
        predicted: str,
        scores: dict[str, float] | None,
    ) -> Outcome:
        """The outcome of any task that gives one label.

        Args:
            text: the text; `pair` the second.
            pair: the second text, or None.
            line: where it stands.
            truth: the true label.
            predicted: the model's.
            scores: probability of each class; None where they are not known.
        """
        true, given = self._index[truth], self._index[predicted]
        counts = np.zeros(_CLASSES + 3 * len(self.classes))
        counts[_TEXTS], counts[_RIGHT] = 1, true == given
        if true == given:
            counts[_CLASSES + true] = 1
        else:
            counts[_CLASSES + len(self.classes) + given] = 1
            counts[_CLASSES + 2 * len(self.classes) + true] = 1
        return Outcome(
            line=line,
            text=text,
            pair=pair,
            truth=truth,
            predicted=predicted,
            is_right=true == given,
            severity=1.0 if scores is None else scores[predicted],
            counts=counts,
            claims=() if scores is None else (Claim(scores[predicted], true == given),),
            cells=((true, given),),
            distribution=self._distribution(scores),
            true_classes=(true,),
        )

    def _distribution(self, scores: dict[str, float] | None) -> NDArray[np.float32] | None:
        if scores is None:
            return None
        return np.array([scores[label] for label in self.classes], dtype=np.float32)
