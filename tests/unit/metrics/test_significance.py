"""Paired tests: p-values known from tables, every swap of small cases, and what happens under the null."""

import itertools
from fractions import Fraction
from math import comb

import numpy as np
import pytest

from erya.metrics.significance import approximate_randomisation, compare, mcnemar


def share(sums):
    return sums[:, 0] / sums[:, 1]


def f1(sums):
    return 2 * sums[:, 0] / np.maximum(sums[:, 1] + sums[:, 2], 1)


def answers(both, only_first, only_second, neither):
    first = [True] * both + [True] * only_first + [False] * (only_second + neither)
    second = [True] * both + [False] * only_first + [True] * only_second + [False] * neither
    return first, second


def of_right(right):
    return np.stack([right, np.ones(len(right))], axis=1)


@pytest.mark.parametrize(
    ("only_first", "only_second", "p_value"),
    [
        (0, 0, 1.0),
        (1, 1, 1.0),
        (0, 5, 0.0625),
        (5, 0, 0.0625),
        (1, 9, 2 * 11 / 1024),
        (2, 10, 2 * (1 + 12 + 66) / 4096),
        (150, 86, 3.716e-05),  # the example of McNemar's test in R's manual, exact
    ],
)
def test_mcnemar_is_exact(only_first, only_second, p_value):
    assert mcnemar(*answers(7, only_first, only_second, 4)) == pytest.approx(p_value, rel=1e-3)


def test_mcnemar_with_more_tosses_than_a_float_can_hold():
    exact = Fraction(2 * sum(comb(1200, k) for k in range(551)), 2**1200)
    assert mcnemar(*answers(0, 550, 650, 0)) == pytest.approx(float(exact), rel=1e-12)


def enumerated(metric, first, second):
    """The p-value over all swaps, each equally likely."""
    real = abs(metric(first.sum(0)[None]) - metric(second.sum(0)[None]))[0]
    as_large = 0
    for swaps in itertools.product([False, True], repeat=len(first)):
        swap = np.array(swaps)[:, None]
        one, other = np.where(swap, second, first).sum(0), np.where(swap, first, second).sum(0)
        as_large += abs(metric(one[None]) - metric(other[None]))[0] >= real - 1e-12
    return as_large / 2 ** len(first)


@pytest.mark.parametrize("seed", range(4))
def test_randomisation_approaches_all_swaps_enumerated(seed):
    rng = np.random.default_rng(seed)
    support = rng.integers(1, 4, 9)
    first, second = (
        np.stack([rng.binomial(support, rate), support + rng.integers(0, 2, 9), support], axis=1)
        for rate in (0.5, 0.8)
    )
    p_value = approximate_randomisation(f1, first, second, seed=seed, num_rounds=20_000)
    assert p_value == pytest.approx(enumerated(f1, first, second), abs=0.02)


def test_randomisation_of_accuracies_is_mcnemars_test():
    first, second = (np.array(right) for right in answers(40, 4, 15, 10))
    p_value = approximate_randomisation(share, of_right(first), of_right(second), seed=1, num_rounds=50_000)
    assert p_value == pytest.approx(mcnemar(first, second), abs=0.003)


def test_equal_systems_are_rarely_called_different():
    """Under the null the p-value is at most 0.1 in about a tenth of the cases, whatever the metric."""
    rng = np.random.default_rng(9)
    small = 0
    for seed in range(200):
        support = rng.integers(0, 4, 60)
        first, second = (
            np.stack([rng.binomial(support, 0.7), np.maximum(support, 1), support], axis=1) for _ in range(2)
        )
        small += approximate_randomisation(f1, first, second, seed=seed, num_rounds=400) <= 0.1
    assert 0.02 < small / 200 < 0.19  # four standard deviations


def test_the_same_answers_are_no_difference():
    rows = of_right(np.arange(20) % 2)
    assert approximate_randomisation(share, rows, rows, seed=0, num_rounds=50) == 1.0


def test_p_is_never_below_what_the_rounds_can_tell():
    first, second = of_right(np.zeros(200)), of_right(np.ones(200))
    assert approximate_randomisation(share, first, second, seed=0, num_rounds=99) == 0.01


def test_pieces_that_fit_into_memory_add_up(monkeypatch):
    first, second = (of_right(np.array(right)) for right in answers(5, 2, 9, 3))
    monkeypatch.setattr("erya.metrics.significance._CELLS_AT_ONCE", 5)
    p_value = approximate_randomisation(share, first, second, seed=1, num_rounds=20_001)
    assert p_value == pytest.approx(mcnemar(*answers(5, 2, 9, 3)), abs=0.01)


def test_compare_gives_both_scores_and_the_interval_of_their_difference():
    first, second = (of_right(np.array(right)) for right in answers(60, 4, 24, 12))
    found = compare(share, first, second, seed=3, num_resamples=3000, num_rounds=3000, level=0.9)
    assert (found.first, found.second) == (0.64, 0.84)
    assert found.difference.value == pytest.approx(0.2)
    # The paired difference has variance (0.04 + 0.24 - 0.2 ** 2) / 100.
    half = 1.645 * (0.24 / 100) ** 0.5
    assert found.difference.low == pytest.approx(0.2 - half, abs=0.02)
    assert found.difference.high == pytest.approx(0.2 + half, abs=0.02)
    assert found.difference.level == 0.9
    assert found.p_value < 0.01
    assert found == compare(share, first, second, seed=3, num_resamples=3000, num_rounds=3000, level=0.9)


def test_refuses_systems_on_other_examples():
    with pytest.raises(ValueError):
        mcnemar([True], [True, False])
    with pytest.raises(ValueError):
        approximate_randomisation(share, np.zeros((3, 2)), np.zeros((4, 2)), seed=0)
    with pytest.raises(ValueError):
        compare(share, np.zeros((0, 2)), np.zeros((0, 2)), seed=0)
