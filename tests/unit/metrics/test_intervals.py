"""Bootstrap intervals: what they cover, what they depend on, and that a table of counts is enough."""

import numpy as np
import pytest

from erya.metrics.classification import ConfusionCounts
from erya.metrics.intervals import bootstrap_intervals, distinct_rows


def share(sums):
    return sums[:, 0] / sums[:, 1]


def f1(sums):
    return 2 * sums[:, 0] / np.maximum(sums[:, 1] + sums[:, 2], 1)


def cells(sums):
    size = round(sums.shape[1] ** 0.5)
    return sums.reshape(-1, size, size)


def accuracy_of_cells(sums):
    return np.trace(cells(sums), axis1=1, axis2=2) / sums.sum(axis=1)


def macro_f1_of_cells(sums):
    right = np.diagonal(cells(sums), axis1=1, axis2=2)
    around = cells(sums).sum(axis=1) + cells(sums).sum(axis=2)
    return (2 * right / np.maximum(around, 1)).sum(axis=1) / (around > 0).sum(axis=1)


def plain_bootstrap(metric, rows, *, seed, num_resamples):
    """As the books have it: S draws with replacement, R times."""
    rng = np.random.default_rng(seed)
    sums = np.stack([rows[rng.integers(0, len(rows), len(rows))].sum(axis=0) for _ in range(num_resamples)])
    return np.quantile(metric(sums), [0.025, 0.975])


def of_right(right):
    return np.stack([right, np.ones(len(right))], axis=1)


def test_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(300):
        rows = of_right(rng.random(150) < 0.8)
        interval = bootstrap_intervals({"a": share}, rows, seed=seed, num_resamples=400, level=0.9)["a"]
        covered += interval.low <= 0.8 <= interval.high
    # Binomial with 300 draws at 0.9: four standard deviations are 0.07.
    assert 0.82 < covered / 300 < 0.97


def test_agrees_with_drawing_examples_one_by_one():
    rng = np.random.default_rng(1)
    support, predicted = rng.integers(0, 5, (2, 300))
    rows = np.stack([rng.binomial(np.minimum(support, predicted), 0.7), predicted, support], axis=1)
    interval = bootstrap_intervals({"f1": f1}, rows, seed=2, num_resamples=8000)["f1"]
    low, high = plain_bootstrap(f1, rows, seed=3, num_resamples=8000)
    width = high - low
    assert abs(interval.low - low) < 0.06 * width
    assert abs(interval.high - high) < 0.06 * width
    assert interval.value == pytest.approx(2 * rows[:, 0].sum() / rows[:, 1:].sum())


def test_close_to_the_normal_approximation_where_that_holds():
    interval = bootstrap_intervals(
        {"a": share}, [[1, 1], [0, 1]], times_U=[900, 100], seed=0, num_resamples=20000
    )["a"]
    half = 1.96 * (0.9 * 0.1 / 1000) ** 0.5
    assert interval.low == pytest.approx(0.9 - half, abs=0.0015)
    assert interval.high == pytest.approx(0.9 + half, abs=0.0015)


def test_a_confusion_matrix_is_all_that_macro_f1_needs():
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 3, 400)
    said = np.where(rng.random(400) < 0.7, truth, rng.integers(0, 4, 400))
    counts = ConfusionCounts("甲乙丙丁")
    counts.add(truth, said)
    metrics = {"macro": macro_f1_of_cells, "accuracy": accuracy_of_cells}
    of_matrix = bootstrap_intervals(
        metrics, np.eye(16), times_U=counts.counts.ravel(), seed=5, num_resamples=4000
    )
    one_by_one = np.eye(16)[truth * 4 + said]
    low, high = plain_bootstrap(macro_f1_of_cells, one_by_one, seed=6, num_resamples=4000)
    scores = counts.scores()
    assert of_matrix["macro"].value == pytest.approx(scores.macro.f1)
    assert of_matrix["accuracy"].value == pytest.approx(scores.accuracy)
    assert of_matrix["macro"].low == pytest.approx(low, abs=0.1 * (high - low))
    assert of_matrix["macro"].high == pytest.approx(high, abs=0.1 * (high - low))


def test_same_seed_same_interval_and_another_seed_another():
    rows = of_right(np.random.default_rng(0).random(50))
    first, again, other = (bootstrap_intervals({"a": share}, rows, seed=s)["a"] for s in (1, 1, 2))
    assert first == again
    assert (first.low, first.high) != (other.low, other.high)


def test_the_order_of_examples_does_not_matter():
    rows = of_right(np.arange(50) % 3 > 0)
    shuffled = np.random.default_rng(0).permutation(rows)
    assert bootstrap_intervals({"a": share}, rows, seed=1) == bootstrap_intervals(
        {"a": share}, shuffled, seed=1
    )


def test_a_higher_level_is_wider_and_certainty_has_no_width():
    rows = of_right(np.arange(50) % 3 > 0)
    narrow, wide = (bootstrap_intervals({"a": share}, rows, seed=1, level=v)["a"] for v in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high
    sure = bootstrap_intervals({"a": share}, of_right(np.ones(9)), seed=1)["a"]
    assert (sure.low, sure.value, sure.high) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("values", [2, 50], ids=["how often a row comes", "examples one by one"])
def test_pieces_that_fit_into_memory_add_up(monkeypatch, values):
    rows = of_right(np.arange(50) % values / values)
    whole = bootstrap_intervals({"a": share}, rows, seed=1, num_resamples=4001)["a"]
    monkeypatch.setattr("erya.metrics.intervals._CELLS_AT_ONCE", 170)
    pieces = bootstrap_intervals({"a": share}, rows, seed=1, num_resamples=4001)["a"]
    assert pieces.low == pytest.approx(whole.low, abs=0.03)
    assert pieces.high == pytest.approx(whole.high, abs=0.03)


def test_both_ways_to_draw_are_the_same_distribution(monkeypatch):
    rows = np.stack([np.random.default_rng(2).random(40), np.ones(40)], axis=1)
    times = np.random.default_rng(3).integers(0, 4, 40)
    ends = {}
    for way, limit in {"rows": 0, "examples": 100}.items():
        monkeypatch.setattr("erya.metrics.intervals._DRAWS_A_ROW", limit)
        found = bootstrap_intervals({"a": share}, rows, times_U=times, seed=4, num_resamples=20_000)["a"]
        assert found.value == pytest.approx((times @ rows[:, 0]) / times.sum())
        ends[way] = (found.low, found.high)
    assert ends["rows"] != ends["examples"]
    assert ends["rows"] == pytest.approx(ends["examples"], abs=0.005)


def test_equal_rows_are_put_together():
    rows, times = distinct_rows([[1, 2], [0, 1], [1, 2], [5, 5]], [2, 1, 3, 0])
    assert rows.tolist() == [[0, 1], [1, 2]]
    assert times.tolist() == [1, 5]


@pytest.mark.parametrize(
    ("rows", "options"),
    [
        (np.zeros((0, 2)), {}),
        ([1, 2], {}),
        ([[1, 1]], {"times_U": [0]}),
        ([[1, 1]], {"times_U": [1, 2]}),
        ([[1, 1], [0, 1]], {"times_U": [3, -1]}),
        ([[1, 1]], {"level": 1.0}),
        ([[1, 1]], {"num_resamples": 0}),
    ],
)
def test_refuses_what_cannot_be_drawn(rows, options):
    with pytest.raises(ValueError):
        bootstrap_intervals({"a": share}, rows, seed=0, **options)
