"""Measures of the whole file and of its parts, each with a bootstrap interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from erya.evaluate.ledger import SCRIPTS, SEEN, Ledger, Seen
from erya.evaluate.measures import Measure
from erya.evaluate.sums import CountTable
from erya.metrics.intervals import bootstrap_intervals

LEVEL = 0.95
SEED = 0
_RESAMPLES, _RESAMPLES_OF_A_PART, _FEWEST_RESAMPLES = 2000, 500, 200
_MOST_DRAWS = 20_000_000  # rows times resamples: a few seconds
# Rank measures are computed anew from every example of every resample.
_RESAMPLES_OF_RANKS = 200
_MOST_SOURCES = 20
_FEWEST = 2  # examples an interval is made from
_SEEN_NAMES: dict[Seen, str] = {
    "no": "not in the training file",
    "verbatim": "in it to the character",
    "alike": "in it but for punctuation, script, width or case",
}
_LENGTHS = (0, 16, 32, 64, 128, 256, 512, 1024, 2048)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and how far chance may have moved it.

    Attributes:
        name: of the measure.
        title: as people read it.
        value: of all the examples.
        low: lower end of the 95 % bootstrap interval, or None where there is none.
        high: upper end.
    """

    name: str
    title: str
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the file and the measures of it.

    Attributes:
        name: what its examples have in common.
        size: how many they are.
        estimates: one for each of the adapter's measures that can be said of it, in their order.
    """

    name: str
    size: int
    estimates: tuple[Estimate, ...]


def estimate_all(ledger: Ledger) -> tuple[Estimate, ...]:
    """The measures of the whole file."""
    return estimate_counts(ledger.counts, ledger.adapter.measures)


def estimate_counts(counts: CountTable, measures: Sequence[Measure]) -> tuple[Estimate, ...]:
    """Measures of any counts, with intervals that draw their rows."""
    return _estimates(counts, measures, None, resamples=_RESAMPLES)


def class_intervals(ledger: Ledger) -> list[tuple[float | None, float | None]]:
    """Ends of the interval of each class's F1."""
    counts = ledger.adapter.class_counts
    if counts is None:
        return []

    def f1_of(c: int) -> Measure:
        return Measure(str(c), "", of_sums=lambda sums: counts.class_f1(sums)[..., c])

    measures = [f1_of(c) for c in range(counts.size)]
    ends = _ends_of_sums(ledger.counts, measures, None, _RESAMPLES_OF_A_PART)
    return [ends.get(measure.name, (None, None)) for measure in measures]


def parts_by_length(ledger: Ledger) -> list[Part]:
    """Parts by characters of the text (with its pair), in powers of two."""
    lengths = ledger.lengths
    bounds = [*_LENGTHS, None]
    parts = []
    for low, high in pairwise(bounds):
        assert low is not None
        chosen = (lengths >= low) & (lengths < (high or np.inf))
        name = f"{low:,} to {high - 1:,}" if high is not None else f"{low:,} and more"
        parts.append((name, chosen))
    return _parts(ledger, parts)


def parts_by_script(ledger: Ledger) -> list[Part]:
    """Parts by script: simplified, traditional, mixed, neutral (Hanzi both have) and none."""
    scripts = ledger.scripts
    return _parts(ledger, [(name, scripts == number) for number, name in enumerate(SCRIPTS)])


def parts_by_source(ledger: Ledger) -> list[Part]:
    """Parts by the source the file names, the largest first; the smallest of many are put together."""
    ids = ledger.source_ids
    if not len(ids):
        return []
    sizes = np.bincount(ids)
    names = list(ledger.sources)
    ranked = np.argsort(-sizes, kind="stable").tolist()
    shown, rest = ranked[:_MOST_SOURCES], ranked[_MOST_SOURCES:]
    parts = [(names[number], ids == number) for number in shown]
    if rest:
        parts.append((f"{len(rest):,} others", np.isin(ids, rest)))
    return _parts(ledger, parts)


def parts_by_seen(ledger: Ledger) -> list[Part]:
    """The examples whose texts the training file has too, and the others."""
    seen = ledger.seen
    return _parts(ledger, [(name, seen == SEEN.index(kind)) for kind, name in _SEEN_NAMES.items()])


def _parts(ledger: Ledger, parts: Sequence[tuple[str, NDArray[np.bool_]]]) -> list[Part]:
    found = []
    for name, chosen in parts:
        size = int(chosen.sum())
        if size:
            estimates = _estimates(
                ledger.counts, ledger.adapter.measures, chosen, resamples=_RESAMPLES_OF_A_PART
            )
            if estimates:
                found.append(Part(name, size, estimates))
    return found


def _estimates(
    counts: CountTable,
    measures: Sequence[Measure],
    chosen: NDArray[np.bool_] | None,
    *,
    resamples: int,
) -> tuple[Estimate, ...]:
    ends = _ends_of_sums(counts, [one for one in measures if one.of_sums is not None], chosen, resamples)
    sums = counts.sums(chosen)
    found = []
    for measure in measures:
        if measure.of_sums is not None:
            value = float(measure.of_sums(sums))
            low, high = ends.get(measure.name, (None, None))
        else:
            value, low, high = _of_rows(measure, counts, chosen)
        if not np.isnan(value):
            found.append(Estimate(measure.name, measure.title, value, low, high))
    return tuple(found)


def _ends_of_sums(
    counts: CountTable, measures: Sequence[Measure], chosen: NDArray[np.bool_] | None, resamples: int
) -> dict[str, tuple[float | None, float | None]]:
    distinct = counts.distinct(chosen)
    if distinct is None or not measures or distinct[1].sum() < _FEWEST:
        return {}
    rows, times = distinct
    metrics = {one.name: one.of_sums for one in measures if one.of_sums is not None}
    number = min(resamples, max(_FEWEST_RESAMPLES, _MOST_DRAWS // len(rows)))
    found = bootstrap_intervals(metrics, rows, seed=SEED, times_U=times, num_resamples=number)
    return {name: (one.low, one.high) for name, one in found.items()}


def _of_rows(
    measure: Measure, counts: CountTable, chosen: NDArray[np.bool_] | None
) -> tuple[float, float | None, float | None]:
    """A measure of ranks with the ends of its interval; NaN where it cannot be said."""
    rows = counts.dense(chosen)
    assert measure.of_rows is not None
    if rows is None or len(rows) < _FEWEST:
        return float("nan"), None, None
    rng = np.random.default_rng(SEED)
    drawn = [measure.of_rows(rows[rng.integers(0, len(rows), len(rows))]) for _ in range(_RESAMPLES_OF_RANKS)]
    known = [value for value in drawn if not np.isnan(value)]
    if not known:
        return measure.of_rows(rows), None, None
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    return measure.of_rows(rows), low, high
