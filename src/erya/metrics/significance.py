"""Is one system really better than another? Paired tests: both answered the same examples.

S examples, K columns that are summed (see `intervals`), R rounds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from erya.metrics.intervals import Interval, Metric, bootstrap_intervals, distinct_rows

_CELLS_AT_ONCE = 4_000_000


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two systems on the same examples.

    Attributes:
        first: score of the first.
        second: score of the second.
        difference: the second's minus the first's, with its bootstrap interval.
        p_value: how likely a difference this large would be were the systems equally good, in (0, 1].
    """

    first: float
    second: float
    difference: Interval
    p_value: float


def mcnemar(first_right_S: ArrayLike, second_right_S: ArrayLike) -> float:
    """Exact two-sided p-value for two accuracies.

    Only the examples count that one system answers rightly and the other does not. Were both equally good,
    each of them would be a toss of a coin.

    Args:
        first_right_S: where the first system is right, bool, shape (S,).
        second_right_S: where the second is.
    Returns:
        In [0, 1]; 1 where the systems are right on the same examples.
    Raises:
        ValueError: the shapes differ.
    Source: McNemar 1947, Note on the sampling error of the difference between correlated proportions.
    """
    first, second = np.asarray(first_right_S, dtype=bool), np.asarray(second_right_S, dtype=bool)
    if first.shape != second.shape:
        raise ValueError(f"{first.shape} and {second.shape} answers are not to the same examples")
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    tosses, fewer = only_first + only_second, min(only_first, only_second)
    # Whole numbers, so nothing is lost however many tosses: ways to get at most `fewer` heads.
    ways = total = 1
    for heads in range(1, fewer + 1):
        ways = ways * (tosses - heads + 1) // heads
        total += ways
    return min(1.0, float(2 * total / 2**tosses))


def approximate_randomisation(
    metric: Metric, first_SK: ArrayLike, second_SK: ArrayLike, *, seed: int, num_rounds: int = 10_000
) -> float:
    """Two-sided p-value for any metric of sums, such as F1.

    Were both systems equally good, it would not matter whose answer is whose. Each round swaps the two
    answers to about half of the examples; the p-value is the share of rounds, the real one among them, with a
    difference at least as large as the real one.

    Args:
        metric: what is computed of sums of shape (R, K).
        first_SK: what each example adds to the first system's sums.
        second_SK: the same of the second system.
        seed: of the swaps.
        num_rounds: R; p cannot come out below 1 / (R + 1).
    Returns:
        In (0, 1].
    Raises:
        ValueError: the shapes differ, or there is no example.
    Source: Yeh 2000, More accurate tests for the statistical significance of result differences, section 3.
    """
    both = _side_by_side(first_SK, second_SK)
    rows, times = distinct_rows(both)
    first, second = np.split(rows, 2, axis=1)
    first_sum, second_sum = times @ first, times @ second
    changes = (second - first).any(axis=1)
    gap, times = (second - first)[changes], times[changes]
    real = abs(metric(first_sum[None]) - metric(second_sum[None]))[0]
    rng = np.random.default_rng(seed)
    as_large = 0
    at_once = max(1, _CELLS_AT_ONCE // max(1, len(times)))
    for start in range(0, num_rounds, at_once):
        # Of the examples with equal rows it only matters how many are swapped.
        moved = rng.binomial(times, 0.5, size=(min(at_once, num_rounds - start), len(times))) @ gap
        found = abs(metric(first_sum + moved) - metric(second_sum - moved))
        as_large += int((found >= real - 1e-12).sum())  # equal ones may differ in their last bits
    return (as_large + 1) / (num_rounds + 1)


def compare(
    metric: Metric,
    first_SK: ArrayLike,
    second_SK: ArrayLike,
    *,
    seed: int,
    num_resamples: int = 2000,
    num_rounds: int = 10_000,
    level: float = 0.95,
) -> Comparison:
    """Both scores, the paired bootstrap interval of their difference, and the p-value of randomisation.

    Args:
        metric: what is computed of sums of shape (R, K).
        first_SK: what each example adds to the first system's sums.
        second_SK: the same of the second system.
        seed: of everything drawn.
        num_resamples: of the bootstrap.
        num_rounds: of the randomisation.
        level: of the interval, in (0, 1).
    Raises:
        ValueError: the shapes differ, or there is no example.
    """
    both = _side_by_side(first_SK, second_SK)
    columns = both.shape[1] // 2
    metrics: dict[str, Metric] = {
        "first": lambda sums: metric(sums[:, :columns]),
        "second": lambda sums: metric(sums[:, columns:]),
        "difference": lambda sums: metric(sums[:, columns:]) - metric(sums[:, :columns]),
    }
    found = bootstrap_intervals(metrics, both, seed=seed, num_resamples=num_resamples, level=level)
    return Comparison(
        found["first"].value,
        found["second"].value,
        found["difference"],
        approximate_randomisation(
            metric, both[:, :columns], both[:, columns:], seed=seed, num_rounds=num_rounds
        ),
    )


def _side_by_side(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if one.shape != other.shape or one.ndim != 2:
        raise ValueError(f"rows of shape {one.shape} and {other.shape} are not of the same examples")
    return np.hstack([one, other])
