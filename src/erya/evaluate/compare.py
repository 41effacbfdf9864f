"""Two models on the same examples: which is better, is it more than chance, and where."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from erya.errors import InputError
from erya.evaluate.adapters.adapter import Adapter
from erya.evaluate.estimates import LEVEL, SEED
from erya.evaluate.evaluation import Evaluation
from erya.evaluate.measured import Measured
from erya.evaluate.measures import Measure, Values
from erya.evaluate.outcome import Outcome
from erya.evaluate.rankings import TITLES, query_counts, query_measures
from erya.evaluate.run import conclude, now, open_data, require_whole
from erya.metrics import significance
from erya.metrics.significance import mcnemar
from erya.tasks.predictor import Predictor

SIGNIFICANT = 0.05
NUM_ROUNDS = 2000
_ROUNDS_OF_RANKS = 500
_NUM_EXAMPLES = 25


@dataclass(frozen=True, slots=True)
class Difference:
    """One measure of two models.

    Attributes:
        name: of the measure.
        title: as people read it.
        first: the first model's.
        second: the second's.
        low: lower end of the 95 % interval of the difference, by the paired bootstrap.
        high: upper end.
        p_value: how likely a difference this large would be were the models equally good, in (0, 1].
        is_error: whether less of it is better.
    """

    name: str
    title: str
    first: float
    second: float
    low: float
    high: float
    p_value: float
    is_error: bool = False

    @property
    def difference(self) -> float:
        """The second's less the first's."""
        return self.second - self.first

    @property
    def gain(self) -> float:
        """How much better the second is; negative where it is worse."""
        return -self.difference if self.is_error else self.difference


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An example one model answered right and the other wrong.

    Attributes:
        right: what the model made of it that was right.
        wrong: what the other made of it.
    """

    right: Outcome
    wrong: Outcome


@dataclass(frozen=True)
class Comparison:
    """Two models on one file.

    Attributes:
        first: the first model's evaluation.
        second: the second's.
        differences: of each measure.
        counts: examples by whether the first (row) and the second (column) is right; no, yes. Shape (2, 2).
        mcnemar_p: of the shares answered right from end to end.
        first_wins: examples only the first has right, those the second was surest of first.
        second_wins: examples only the second has right.
    """

    first: Evaluation
    second: Evaluation
    differences: tuple[Difference, ...]
    counts: NDArray[np.int64]
    mcnemar_p: float
    first_wins: tuple[Disagreement, ...]
    second_wins: tuple[Disagreement, ...]

    @property
    def data(self) -> Path:
        """The data file."""
        return self.first.data

    @property
    def names(self) -> tuple[str, str]:
        """What to call the models: no two alike."""
        names = self.first.name, self.second.name
        return names if names[0] != names[1] else (str(self.first.model), str(self.second.model))

    @property
    def untested(self) -> list[tuple[str, float, float]]:
        """The task's numbers of both models that are of no single example or query."""
        theirs = dict(self.second.other_numbers)
        return [(name, value, theirs[name]) for name, value in self.first.other_numbers if name in theirs]

    @property
    def verdict(self) -> str:
        """What the tests say of the first measure, and of the first of a ranking, a sentence each."""
        if not self.differences and not self.untested:
            return "There is nothing to compare them by: the file has no scores."
        if not self.differences:
            name, first, second = self.untested[0]
            return f"{name} differs by {abs(second - first):.4f}; whether by chance is not tested."
        leading = [one for one in self.differences if one.name in TITLES][:1]
        if self.differences[0].name not in TITLES:
            leading.insert(0, self.differences[0])
        return " ".join(map(self._sentence, leading))

    def _sentence(self, one: Difference) -> str:
        differs = f"{one.title} differs by {abs(one.difference):.4f}"
        better = self.names[1] if one.gain > 0 else self.names[0]
        if one.p_value < SIGNIFICANT:
            return f"{better} is better: {differs}, p = {one.p_value:.4f}."
        return f"No difference is shown: {differs}, which chance would exceed in {one.p_value:.0%} of cases."

    def to_dict(self) -> dict[str, Any]:
        """The comparison as plain JSON values, without texts."""
        return {
            "models": [str(self.first.model), str(self.second.model)],
            "task": self.first.kind,
            "data": str(self.data),
            "data_sha256": self.first.data_sha256,
            "verdict": self.verdict,
            "differences": {
                one.name: {
                    "first": one.first,
                    "second": one.second,
                    "difference": one.difference,
                    "interval": [one.low, one.high],
                    "p_value": one.p_value,
                }
                for one in self.differences
            },
            "untested": {name: {"first": mine, "second": theirs} for name, mine, theirs in self.untested},
            **(self._counts_plain() if self.first.ledger.adapter.judges_each else {}),
            "first": self.first.to_dict(),
            "second": self.second.to_dict(),
        }

    def _counts_plain(self) -> dict[str, Any]:
        return {
            "both_right": int(self.counts[1, 1]),
            "only_first_right": int(self.counts[1, 0]),
            "only_second_right": int(self.counts[0, 1]),
            "both_wrong": int(self.counts[0, 0]),
            "mcnemar_p": self.mcnemar_p,
        }


def compare(
    first: Predictor,
    second: Predictor,
    data: Path,
    *,
    models: tuple[Path, Path],
    columns: Mapping[str, str],
    source: str | None = None,
    train: Path | None = None,
    truncate: bool = False,
    max_length: int | None = None,
    batch_tokens: int = 8192,
    progress: Callable[[int], None] = lambda num_texts: None,
) -> Comparison:
    """Let two models answer every example of a labelled file, and compare them example by example.

    Args:
        first: a model.
        second: another of the same kind of task and with the same labels.
        data: the file.
        models: the models' directories, for the record.
        columns: for each field of the task the column it stands in.
        source: as in `evaluate`; `train`, `truncate`, `max_length`, `batch_tokens` and `progress` too.
        train: the training file.
        truncate: whether texts longer than the limit are cut.
        max_length: longest input in tokens.
        batch_tokens: tokens computed at once.
        progress: is told how many more examples are done.
    Raises:
        InputError: the models are for different tasks or labels, or the file cannot be used.
    """
    _require_comparable(first, second, models)
    file = open_data(first, data, columns=columns, source=source, train=train)
    if not truncate:
        for predictor in (first, second):
            require_whole(predictor, file, max_length=max_length)
    when = now()
    one, other = (
        Measured(predictor, truncate=truncate, max_length=max_length, batch_tokens=batch_tokens, num_worst=1)
        for predictor in (first, second)
    )
    wins = _Wins(), _Wins()
    for chunk in file.chunks():
        for mine, theirs in zip(one.take(chunk), other.take(chunk), strict=True):
            wins[0].add(mine, theirs)
            wins[1].add(theirs, mine)
        progress(len(chunk.examples))
    right = one.ledger.right, other.ledger.right
    evaluations = (
        conclude(one, file, model=models[0], when=when, max_length=max_length),
        conclude(other, file, model=models[1], when=when, max_length=max_length),
    )
    return Comparison(
        first=evaluations[0],
        second=evaluations[1],
        differences=(*_differences(one, other), *ranking_differences(*evaluations)),
        counts=np.bincount(2 * right[0].astype(np.int64) + right[1], minlength=4).reshape(2, 2),
        mcnemar_p=mcnemar(*right),
        first_wins=wins[0].sorted(),
        second_wins=wins[1].sorted(),
    )


def _require_comparable(first: Predictor, second: Predictor, models: tuple[Path, Path]) -> None:
    if first.kind.name != second.kind.name:
        raise InputError(
            f"one model is for {first.kind.name}, the other for {second.kind.name}",
            where=f"{models[0]} and {models[1]}",
            hint="only models of one kind of task can be compared",
        )
    mine, theirs = set(first.task.labels or ()), set(second.task.labels or ())
    if mine != theirs:
        odd = ", ".join(sorted(mine ^ theirs)[:10])
        raise InputError(
            f"the models have different labels: only one of them knows {odd}",
            where=f"{models[0]} and {models[1]}",
            hint="train both on the same labels",
        )


def _differences(one: Measured, other: Measured) -> tuple[Difference, ...]:
    mine, theirs = one.ledger.counts.dense(), _reordered(other, one.adapter)
    if mine is None or theirs is None:
        raise InputError(
            "too many classes and examples to compare at once", hint="compare on a part of the file"
        )
    found = []
    for measure in one.adapter.measures:
        of = _of_sums if measure.of_sums is not None else _of_ranks
        found.append(of(measure, mine, theirs))
    return tuple(one for one in found if not np.isnan(one.difference))


def ranking_differences(first: Evaluation, second: Evaluation) -> tuple[Difference, ...]:
    """Of each measure of a ranking, query by query; empty where the models were not asked the same queries.

    Args:
        first: of a model.
        second: of another, on the same file.
    """
    mine, theirs = first.ranking, second.ranking
    if mine is None or theirs is None or mine.rows_QK.shape != theirs.rows_QK.shape:
        return ()
    return tuple(
        _of_sums(one, query_counts(mine, one.name), query_counts(theirs, one.name))
        for one in query_measures(first.scores)
    )


def _of_sums(measure: Measure, mine: Values, theirs: Values) -> Difference:
    assert measure.of_sums is not None
    result = significance.compare(measure.of_sums, mine, theirs, seed=SEED, num_rounds=NUM_ROUNDS)
    values = (result.first, result.second, result.difference.low, result.difference.high)
    return Difference(measure.name, measure.title, *values, result.p_value, measure.is_error)


def _of_ranks(measure: Measure, mine: Values, theirs: Values) -> Difference:
    """A measure of ranks: intervals and swaps are of the examples themselves, so there are fewer of them."""
    of = measure.of_rows
    assert of is not None
    rng = np.random.default_rng(SEED)
    first, second = of(mine), of(theirs)
    if np.isnan(second - first):
        nothing = float("nan")
        return Difference(measure.name, measure.title, first, second, nothing, nothing, 1.0, measure.is_error)
    gaps, as_large = [], 1
    for _ in range(_ROUNDS_OF_RANKS):
        drawn = rng.integers(0, len(mine), len(mine))
        gaps.append(of(theirs[drawn]) - of(mine[drawn]))
        swapped = rng.random((len(mine), 1)) < 0.5
        change = of(np.where(swapped, mine, theirs)) - of(np.where(swapped, theirs, mine))
        as_large += abs(change) >= abs(second - first) - 1e-12
    low, high = np.nanquantile(gaps, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    p_value = as_large / (_ROUNDS_OF_RANKS + 1)
    return Difference(measure.name, measure.title, first, second, low, high, p_value, measure.is_error)


def _reordered(other: Measured, adapter: Adapter) -> NDArray[np.float64] | None:
    """The other model's counts with the classes in the first one's order."""
    rows = other.ledger.counts.dense()
    counts, theirs = adapter.class_counts, other.adapter.classes
    if rows is None or counts is None or theirs == adapter.classes:
        return rows
    places = [theirs.index(label) for label in adapter.classes]
    order = list(range(counts.start))
    for part in range(3):
        order += [counts.start + part * counts.size + place for place in places]
    return rows[:, [*order, *range(len(order), rows.shape[1])]]


@dataclass(slots=True)
class _Wins:
    """Keeps the examples only one model has right, those the other was surest of."""

    heap: list[tuple[float, int, int, Disagreement]] = field(default_factory=list)
    added: int = 0

    def add(self, mine: Outcome, theirs: Outcome) -> None:
        if not mine.is_right or theirs.is_right:
            return
        self.added += 1
        heapq.heappush(self.heap, (theirs.severity, -theirs.line, -self.added, Disagreement(mine, theirs)))
        if len(self.heap) > _NUM_EXAMPLES:
            heapq.heappop(self.heap)

    def sorted(self) -> tuple[Disagreement, ...]:
        ranked = sorted(self.heap, key=lambda item: item[:3], reverse=True)
        return tuple(pair for *_, pair in ranked)
