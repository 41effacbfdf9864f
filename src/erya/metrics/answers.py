"""Scores of answers cut from a text: exact match and character F1, as CMRC 2018 and DRCD define them.

Both use one script, which compares texts, not places. Questions without an answer are scored by the rule of
SQuAD 2.0, which leaves the scores of the others as they are. S questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from erya.metrics.segments import segments, without_punctuation


@dataclass(frozen=True, slots=True)
class AnswerAverages:
    """Means over some questions.

    Attributes:
        num_questions: how many.
        exact_match: share answered exactly, in [0, 1].
        f1: mean character F1, in [0, 1].
    """

    num_questions: int
    exact_match: float
    f1: float


@dataclass(frozen=True, slots=True)
class AnswerScores:
    """Everything `AnswerCounts` knows, computed.

    Attributes:
        every: of all questions: what is called exact match and F1 without more words.
        answerable: of the questions that have an answer.
        unanswerable: of those that have none; there exact match and F1 are the same.
        num_refused: questions that were given no answer.
    """

    every: AnswerAverages
    answerable: AnswerAverages
    unanswerable: AnswerAverages
    num_refused: int

    def numbers(self) -> dict[str, float]:
        """The numbers a run is watched by; `average` of the two is what CMRC 2018 ranks by."""
        exact, f1 = self.every.exact_match, self.every.f1
        return {"exact_match": exact, "f1": f1, "average": (exact + f1) / 2}

    def to_dict(self) -> dict[str, Any]:
        """The scores as plain JSON values."""
        return {
            "examples": self.every.num_questions,
            **self.numbers(),
            "answerable": asdict(self.answerable),
            "unanswerable": asdict(self.unanswerable),
            "refused": self.num_refused,
        }


class AnswerCounts:
    """Adds up exact matches and F1 as answers stream by."""

    def __init__(self) -> None:
        self.sums: NDArray[np.float64] = np.zeros((2, 3))  # (unanswerable, answerable) x (count, exact, F1)
        self.num_refused = 0

    def add(self, gold: Sequence[Sequence[str]], predicted: Sequence[str]) -> None:
        """Count a batch.

        Args:
            gold: the right answers of each question, any of which will do; none if it is unanswerable.
            predicted: a model's answer to each; empty if it gave none.
        Raises:
            ValueError: there are not as many predictions as questions.
        """
        for answers, prediction in zip(gold, predicted, strict=True):
            exact, f1 = exact_match(answers, prediction), character_f1(answers, prediction)
            self.sums[int(bool(answers))] += (1, exact, f1)
            self.num_refused += not prediction

    def scores(self) -> AnswerScores:
        """What was counted so far, as scores; means over no question are 0."""
        unanswerable, answerable = self.sums
        return AnswerScores(
            every=_averages(self.sums.sum(axis=0)),
            answerable=_averages(answerable),
            unanswerable=_averages(unanswerable),
            num_refused=self.num_refused,
        )


def exact_match(answers: Sequence[str], prediction: str) -> bool:
    """Is the prediction one of the answers, apart from case and punctuation?

    Args:
        answers: the right ones; none if the question is unanswerable.
        prediction: a model's answer; empty if it gave none.
    Source: cmrc2018_evaluate.py, `calc_em_score`; without answers, SQuAD 2.0's `compute_exact`.
    """
    said = without_punctuation(prediction)
    return any(without_punctuation(answer) == said for answer in answers or ("",))


def character_f1(answers: Sequence[str], prediction: str) -> float:
    """Overlap with the answer it overlaps most, in [0, 1].

    The overlap is the longest run of Chinese characters and English words that both texts have in common.

    Args:
        answers: the right ones; none if the question is unanswerable: then 1 for no answer, otherwise 0.
        prediction: a model's answer; empty if it gave none.
    Source: cmrc2018_evaluate.py, `calc_f1_score`; without answers, SQuAD 2.0's `compute_f1`.
    """
    if not answers:
        return float(exact_match(answers, prediction))
    said = segments(prediction)
    return max(_overlap_f1(segments(answer), said) for answer in answers)


def _overlap_f1(answer: list[str], said: list[str]) -> float:
    # 2PR / (P + R) with P = common / said and R = common / answer.
    common = _longest_common_run(answer, said)
    return 2 * common / (len(answer) + len(said)) if common else 0.0


def _longest_common_run(first: list[str], second: list[str]) -> int:
    """Length of the longest list of consecutive units that stands in both."""
    short, long = sorted((first, second), key=len)
    numbers = {unit: number for number, unit in enumerate(dict.fromkeys(long))}
    row = np.array([numbers[unit] for unit in long], dtype=np.int64)
    # ending[j + 1]: length of the common run that ends at this unit of `short` and at long[j].
    ending = np.zeros(len(long) + 1, dtype=np.int64)
    longest = 0
    for unit in short:
        ending[1:] = np.where(row == numbers.get(unit, -1), ending[:-1] + 1, 0)
        longest = max(longest, int(ending.max()))
    return longest


def _averages(sums: NDArray[np.float64]) -> AnswerAverages:
    count, exact, f1 = sums.tolist()
    return AnswerAverages(int(count), exact / max(count, 1), f1 / max(count, 1))
