"""How good scores of pairs are: as classes, as numbers, as an order of candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from erya.errors import InputError
from erya.metrics.classification import ClassificationScores, ConfusionCounts
from erya.metrics.correlation import CorrelationScores, PairedValues
from erya.metrics.lost_queries import LostQuery, worst_queries
from erya.metrics.ranking import RankingCounts, RankingScores, first_relevant, ranked
from erya.tasks.match.examples import Example, number_of

if TYPE_CHECKING:
    from erya.tasks.match.task import Prediction

# Of a ranking a run may be watched by these; its whole scores have more.
RANKING_NUMBERS = ("map", "mrr@10", "ndcg@10", "recall@1")


@dataclass(frozen=True, slots=True)
class MatchScores:
    """Everything a `MatchTally` knows, computed; None where it cannot be said.

    Attributes:
        num_examples: pairs.
        classes: of the labels.
        values: of scores and truths where these are numbers.
        ranking: of queries and their candidates.
        lost: queries whose first candidate is not relevant, the worst first.
        is_number: whether a number was asked for, not a class.
    """

    num_examples: int
    classes: ClassificationScores | None
    values: CorrelationScores | None
    ranking: RankingScores | None
    lost: tuple[LostQuery, ...]
    is_number: bool

    def numbers(self) -> Mapping[str, float]:
        """The numbers a run is watched by."""
        found: dict[str, float] = {}
        if self.classes is not None:
            found |= {"accuracy": self.classes.accuracy, "macro_f1": self.classes.macro.f1}
        if self.values is not None:
            found |= {"pearson": self.values.pearson, "spearman": self.values.spearman}
            # How far a probability is from the number of a class says nothing.
            found |= {"mean_squared_error": self.values.mean_squared_error} if self.is_number else {}
        if self.ranking is not None:
            found |= {name: self.ranking.values[name] for name in RANKING_NUMBERS}
        return found

    def to_dict(self) -> dict[str, Any]:
        """The scores as plain JSON values."""
        classes = {} if self.classes is None else self.classes.to_dict()
        ranking = {} if self.ranking is None else self.ranking.to_dict()
        return {**classes, **self.numbers(), **ranking, "examples": self.num_examples}


class MatchTally:
    """Adds up pairs; of each, two numbers are kept where truths are numbers, and of each query three texts.

    Args:
        labels: the classes; None where a number is asked for.
        ranked: whether pairs with the same first text are candidates for one query.
    """

    def __init__(self, labels: Sequence[str] | None, *, ranked: bool) -> None:
        self._labels, self._ranked = labels, ranked
        self._counts = None if labels is None else ConfusionCounts(labels)
        self._values = PairedValues() if labels is None or all(map(is_number, labels)) else None
        self._queries: dict[str, _Query] = {}
        self._num_examples = 0

    def add(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> None:
        """Add a batch; every example has a truth."""
        self._num_examples += len(examples)
        if self._counts is not None and self._labels is not None:
            labels = list(self._labels)
            classes = [labels.index(example.target or "") for example in examples]
            self._counts.add(classes, [labels.index(prediction.label or "") for prediction in predictions])
        if self._values is None:
            return
        truths = [number_of(example.target, where=example.where) for example in examples]
        self._values.add(truths, [prediction.score for prediction in predictions])
        for prediction, example, truth in zip(predictions, examples, truths, strict=True):
            if self._ranked or example.is_candidate:
                self._add_candidate(prediction.score, example, truth)

    def scores(self) -> MatchScores:
        """The scores of all that was added."""
        ranking, lost = RankingCounts(), []
        for text, query in self._queries.items():
            grades = ranked(query.scores, query.grades)
            ranking.add(grades)
            rank = first_relevant(grades)
            if rank is not None and rank > 1:
                lost.append(LostQuery(text, query.line, query.first.text, query.wanted.text, rank))
        return MatchScores(
            num_examples=self._num_examples,
            classes=None if self._counts is None else self._counts.scores(),
            values=None if self._values is None else self._values.scores(),
            ranking=ranking.scores() if self._queries else None,
            lost=worst_queries(lost),
            is_number=self._labels is None,
        )

    def _add_candidate(self, score: float, example: Example, grade: float) -> None:
        if grade < 0:
            raise InputError(f"the relevance {grade:g} is negative", where=example.where)
        self._queries.setdefault(example.text, _Query(example.line)).add(score, grade, example.pair)


@dataclass(slots=True)
class _Best:
    """The candidate that stands first so far; of equal scores the less relevant, as in `order_of`."""

    text: str = ""
    key: tuple[float, float] = (float("-inf"), 0.0)

    def offer(self, score: float, grade: float, text: str) -> None:
        if (score, -grade) > self.key:
            self.text, self.key = text, (score, -grade)


@dataclass(slots=True)
class _Query:
    """A query's candidates: of all the numbers, of the first and of the first relevant one the text."""

    line: int
    scores: list[float] = field(default_factory=list)
    grades: list[float] = field(default_factory=list)
    first: _Best = field(default_factory=_Best)
    wanted: _Best = field(default_factory=_Best)

    def add(self, score: float, grade: float, text: str) -> None:
        self.scores.append(score)
        self.grades.append(grade)
        self.first.offer(score, grade, text)
        if grade > 0:
            self.wanted.offer(score, grade, text)


def is_number(label: str) -> bool:
    """Whether a label can be read as a finite number."""
    try:
        return abs(float(label)) < float("inf")
    except ValueError:
        return False
