"""How good answers are, and from which doubt on none should be given."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from erya.metrics.answers import AnswerCounts, AnswerScores, character_f1, exact_match
from erya.tasks.answer.reading import Example
from erya.tasks.answer.recipe import AnswerSettings

if TYPE_CHECKING:
    from erya.tasks.answer.task import Prediction


@dataclass(frozen=True, slots=True)
class BestThreshold:
    """The threshold that gives the greatest F1.

    Attributes:
        threshold: see `AnswerSettings.no_answer_threshold`.
        exact_match, f1: with it, in [0, 1].
    """

    threshold: float
    exact_match: float
    f1: float


@dataclass(frozen=True, slots=True)
class ReadingScores:
    """Everything an `AnswerTally` knows, computed.

    Attributes:
        answers: of the answers given.
        best: what another threshold would give; None for a model that always answers.
    """

    answers: AnswerScores
    best: BestThreshold | None

    def numbers(self) -> dict[str, float]:
        """The numbers a run is watched by."""
        best = {}
        if self.best is not None:
            best = {"best_threshold": self.best.threshold, "best_f1": self.best.f1}
        return {**self.answers.numbers(), **best}

    def to_dict(self) -> dict[str, Any]:
        """The scores as plain JSON values."""
        best = {} if self.best is None else {"best_exact_match": self.best.exact_match}
        return {**self.answers.to_dict(), **self.numbers(), **best}


class AnswerTally:
    """Adds up answers; of each, five numbers are kept where none may be given.

    Args:
        options: of the task.
    """

    def __init__(self, options: AnswerSettings) -> None:
        self._options, self._counts = options, AnswerCounts()
        # Of each question: the doubt, then exact match and F1 with an answer and without one.
        self._rows: list[tuple[float, float, float, float, float]] = []

    def add(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> None:
        """Compare answers with the truth their examples carry."""
        gold = [[answer.text for answer in example.answers or ()] for example in examples]
        self._counts.add(gold, [p.answers[0].text if p.answers else "" for p in predictions])
        if self._options.can_abstain:
            self._rows += [_row(p, texts) for p, texts in zip(predictions, gold, strict=True)]

    def scores(self) -> ReadingScores:
        """The scores of all that was added."""
        best = _best_threshold(np.array(self._rows)) if self._rows else None
        return ReadingScores(self._counts.scores(), best)


def _row(prediction: Prediction, gold: Sequence[str]) -> tuple[float, float, float, float, float]:
    given = prediction.answers or prediction.withheld
    nothing = (float(exact_match(gold, "")), character_f1(gold, ""))
    if not given or prediction.no_answer_score is None:
        return math.inf, *nothing, *nothing
    said = given[0].text
    doubt = _log(prediction.no_answer_score) - _log(given[0].score)
    return doubt, float(exact_match(gold, said)), character_f1(gold, said), *nothing


def _log(probability: float) -> float:
    return math.log(max(probability, 1e-300))


def _best_threshold(rows_S5: np.ndarray) -> BestThreshold:
    """Try a threshold between any two neighbouring doubts, and beyond the least and the greatest."""
    rows = rows_S5[np.argsort(rows_S5[:, 0], kind="stable")]
    doubts = rows[np.isfinite(rows[:, 0]), 0]
    if not len(doubts):
        exact, f1 = rows[:, 3:].mean(axis=0).tolist()
        return BestThreshold(0.0, exact, f1)
    # With the first k questions answered: what answering them gains over giving none.
    gains = np.concatenate(
        [np.zeros((1, 2)), np.cumsum(rows[: len(doubts), 1:3] - rows[: len(doubts), 3:], axis=0)]
    )
    totals = (rows[:, 3:].sum(axis=0) + gains) / len(rows)
    edges = np.concatenate([[doubts[0] - 1.0], (doubts[:-1] + doubts[1:]) / 2, [doubts[-1] + 1.0]])
    # Equal doubts cannot be parted.
    possible = np.concatenate([[True], doubts[:-1] < doubts[1:], [True]])
    # Of thresholds that are equally good the one nearest to no preference.
    order = np.lexsort((np.abs(edges), -totals[:, 1].round(12), ~possible))
    best = int(order[0])
    return BestThreshold(float(edges[best]), *totals[best].tolist())
