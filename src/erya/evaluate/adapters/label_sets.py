"""One label of each of several sets as outcomes: each set's answer is a claim."""

from __future__ import annotations

import numpy as np

from erya.evaluate.adapters.adapter import Words
from erya.evaluate.measures import ClassCounts, Measure, ratio
from erya.evaluate.outcome import Claim, Outcome
from erya.tasks.classify.example import Example
from erya.tasks.classify.sets import LabelSetsTask, SetsPrediction

_TEXTS, _RIGHT, _ANSWERS, _RIGHT_ANSWERS, _CLASSES = 0, 1, 2, 3, 4


class LabelSetsAdapter:
    """A label of each set; classes are `set/label`.

    Args:
        task: whose sets there are.
    """

    scatter: tuple[int, int, int] | None = None
    judges_each = True
    words = Words()

    def __init__(self, task: LabelSetsTask) -> None:
        self._task = task
        self.classes = self.cells = tuple(task.labels)
        self.class_counts = ClassCounts(_CLASSES, len(self.classes))
        pairs = [(name, label) for name, labels in task.sets.items() for label in labels]
        self._index = {pair: number for number, pair in enumerate(pairs)}
        self.measures = (
            ratio("accuracy", "accuracy over the sets", _RIGHT_ANSWERS, _ANSWERS),
            Measure("macro_f1_of_all", "macro F1 of all labels", of_sums=self.class_counts.macro_f1),
            ratio("exact_match", "all sets right", _RIGHT, _TEXTS),
        )

    def outcome(self, example: Example, prediction: SetsPrediction) -> Outcome:
        """Compare the labels of one text with the model's.

        Raises:
            InputError: a label is none of its set's.
        """
        self._task.check(example)
        truth = dict(example.sets or {})
        counts = np.zeros(_CLASSES + 3 * len(self.classes))
        claims, cells = [], []
        for name, (label, scores) in prediction.sets.items():
            true, given = self._index[name, truth[name]], self._index[name, label]
            claims.append(Claim(scores[label], true == given))
            cells.append((true, given))
            for place, part in ((true, 0),) if true == given else ((given, 1), (true, 2)):
                counts[_CLASSES + part * len(self.classes) + place] += 1
        right = sum(claim.is_right for claim in claims)
        is_right = right == len(claims)
        counts[:_CLASSES] = 1, is_right, len(claims), right
        return Outcome(
            line=example.line,
            text=example.text,
            pair=example.pair,
            truth="、".join(f"{name} {truth[name]}" for name in prediction.sets),
            predicted="、".join(f"{name} {label}" for name, (label, _) in prediction.sets.items()),
            is_right=is_right,
            severity=max((claim.probability for claim in claims if not claim.is_right), default=0.0),
            counts=counts,
            claims=tuple(claims),
            num_true=len(claims),
            cells=tuple(cells),
        )
