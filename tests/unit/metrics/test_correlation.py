"""Correlations by hand and at their edges; scipy is asked in `tests/parity`."""

import json

import numpy as np
import pytest

from erya.metrics.correlation import PairedValues, pearson, spearman


def test_ranks_follow_any_order_keeping_curve():
    first = np.array([1.0, 2.0, 3.0, 4.0])
    assert spearman(first, np.exp(first * 10)) == pytest.approx(1.0)
    assert spearman(first, -(first**3)) == pytest.approx(-1.0)
    assert 0 < pearson(first, np.exp(first * 10)) < 0.9


def test_equal_values_share_their_rank():
    # Ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4.
    assert spearman([0, 5, 5, 9], [1, 2, 3, 4]) == pytest.approx(4.5 / (4.5 * 5) ** 0.5)


def test_batches_add_up():
    rng = np.random.default_rng(1)
    truth = rng.random(50)
    said = truth + rng.random(50)
    values = PairedValues()
    for part in (slice(0, 7), slice(7, 7), slice(7, 50)):
        values.add(truth[part], said[part])
    scores = values.scores()
    assert scores.pearson == pytest.approx(np.corrcoef(truth, said)[0, 1])
    assert scores.numbers() == {
        "pearson": pytest.approx(pearson(truth, said)),
        "spearman": pytest.approx(spearman(truth, said)),
        "mean_absolute_error": pytest.approx(abs(truth - said).mean()),
        "mean_squared_error": pytest.approx(((truth - said) ** 2).mean()),
    }
    written = json.loads(json.dumps(scores.to_dict()))
    assert written["examples"] == 50
    assert written["spearman"] == scores.spearman


def test_a_constant_follows_nothing():
    assert pearson([1, 1, 1], [1, 2, 3]) == spearman([1, 2, 3], [0.1, 0.1, 0.1]) == 0.0
    assert pearson([1], [1]) == pearson([], []) == 0.0
    assert PairedValues().scores().numbers()["spearman"] == 0.0


def test_never_beyond_one_by_rounding():
    values = np.array([0.1, 0.2, 0.3]) * 3
    assert pearson(values, values * 7) <= 1.0


def test_tiny_and_huge_values():
    assert pearson([0, 1e-200, 2e-200], [1, 2, 3]) == pytest.approx(1.0)
    assert pearson([0, 1e200, 2e200], [1, 2, 3]) == pytest.approx(1.0)


@pytest.mark.parametrize(("first", "second"), [([1, 2], [1]), ([1, np.nan], [1, 2]), ([1, 2], [np.inf, 1])])
def test_refuses_what_is_no_pair_of_numbers(first, second):
    with pytest.raises(ValueError):
        PairedValues().add(first, second)
