"""Matching as outcomes: labels as in classification, or numbers beside the true ones."""

from __future__ import annotations

import numpy as np

from erya.evaluate.adapters.adapter import Words
from erya.evaluate.adapters.classify import ClassifyAdapter
from erya.evaluate.measures import Measure, ratio
from erya.evaluate.outcome import Outcome
from erya.metrics.correlation import pearson, spearman
from erya.tasks.match.examples import Example
from erya.tasks.match.task import MatchTask, Prediction

_WORDS = Words(item="pairs", text="pair")
_COUNT, _TRUTH, _SCORE, _SQUARE = range(4)
# Within this share of the range a number counts as right.
_NEAR = 0.1


def match_adapter(task: MatchTask) -> MatchClassesAdapter | MatchNumbersAdapter:
    """The adapter of a task that gives labels, or of one that gives numbers."""
    return MatchClassesAdapter(task) if task.labels is not None else MatchNumbersAdapter(task)


class MatchClassesAdapter(ClassifyAdapter):
    """One label a pair.

    Args:
        task: whose labels there are.
    """

    words = _WORDS

    def __init__(self, task: MatchTask) -> None:
        super().__init__(task.labels or ())
        self._task = task

    def outcome(self, example: Example, prediction: Prediction) -> Outcome:  # type: ignore[override]
        """Compare the label of one pair with the model's.

        Raises:
            InputError: the truth is none of the labels.
        """
        self._task.truth(example)
        return self.compare(
            text=example.text,
            pair=example.pair,
            line=example.line,
            truth=example.target or "",
            predicted=prediction.label or "",
            scores=prediction.scores,
        )


class MatchNumbersAdapter:
    """A number a pair.

    Args:
        task: that knows the range of the numbers.
    """

    classes: tuple[str, ...] = ()
    class_counts = None
    cells: tuple[str, ...] = ()
    scatter = _COUNT, _TRUTH, _SCORE
    judges_each = True
    words = Words(item="pairs", text="pair", right="within a tenth of the range")

    def __init__(self, task: MatchTask) -> None:
        self._task = task
        self.measures: tuple[Measure, ...] = (
            Measure("spearman", "Spearman", of_rows=lambda rows: spearman(rows[:, _TRUTH], rows[:, _SCORE])),
            Measure("pearson", "Pearson", of_rows=lambda rows: pearson(rows[:, _TRUTH], rows[:, _SCORE])),
            ratio("mean_squared_error", "mean squared error", _SQUARE, _COUNT, is_error=True),
        )

    def outcome(self, example: Example, prediction: Prediction) -> Outcome:
        """Compare the number of one pair with the model's.

        Raises:
            InputError: the truth is no number.
        """
        truth, score = self._task.truth(example), prediction.score
        error = abs(truth - score)
        options = self._task.options
        return Outcome(
            line=example.line,
            text=example.text,
            pair=example.pair,
            truth=f"{truth:g}",
            predicted=f"{score:.3g}",
            is_right=error <= _NEAR * (options.high - options.low),
            severity=error,
            counts=np.array([1.0, truth, score, error**2]),
        )
