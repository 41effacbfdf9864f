"""Multi-label scores, curves and calibration against scikit-learn; thresholds against trying them all."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from erya.metrics.calibration import ReliabilityCounts, expected_calibration_error
from erya.metrics.curves import precision_recall_curve
from erya.metrics.multilabel import MultiLabelCounts
from erya.metrics.thresholds import f1_threshold, f1_thresholds

sklearn = pytest.importorskip("sklearn.metrics", reason="scikit-learn (extra demo) is the reference")
reference = pytest.importorskip("sklearn.calibration")

# Few different scores, so that many are equal.
SCORES = st.sampled_from([0.0, 0.05, 0.2, 0.2000001, 0.5, 0.7, 0.9, 1.0])
ROWS = st.lists(st.tuples(SCORES, st.booleans()), min_size=1, max_size=25)


def columns(rows):
    scores, positive = zip(*rows, strict=True)
    return np.array(scores), np.array(positive)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_multi_label_scores_equal_scikit_learn(data):
    """Also with labels nobody has and texts without a label."""
    shape = (data.draw(st.integers(1, 12)), data.draw(st.integers(2, 5)))
    truth, said = (data.draw(arrays.arrays(np.bool_, shape)) for _ in range(2))
    counts = MultiLabelCounts([f"标{c}" for c in range(shape[1])])
    half = shape[0] // 2
    counts.add(truth[:half], said[:half])
    counts.add(truth[half:], said[half:])
    scores = counts.scores()
    for average in ("micro", "macro", "weighted", "samples"):
        got = getattr(scores, average)
        expected = sklearn.precision_recall_fscore_support(truth, said, average=average, zero_division=0)
        assert (got.precision, got.recall, got.f1) == pytest.approx(expected[:3]), average
    each = sklearn.precision_recall_fscore_support(truth, said, average=None, zero_division=0)
    for name, column in zip(("precision", "recall", "f1", "support"), each, strict=True):
        assert [getattr(row, name) for row in scores.labels] == pytest.approx(column.tolist())
    assert scores.subset_accuracy == pytest.approx(sklearn.accuracy_score(truth, said))
    assert scores.hamming_loss == pytest.approx(sklearn.hamming_loss(truth, said))


@settings(max_examples=100, deadline=None)
@given(ROWS)
def test_curves_equal_scikit_learn(rows):
    scores, positive = columns(rows)
    curve = precision_recall_curve(scores, positive)
    if positive.any():
        precision, recall, thresholds = sklearn.precision_recall_curve(positive, scores)
        assert curve.thresholds[::-1].tolist() == thresholds.tolist()
        # scikit-learn adds the point where nothing is accepted.
        assert curve.precision[::-1] == pytest.approx(precision[:-1])
        assert curve.recall[::-1] == pytest.approx(recall[:-1])
        assert curve.average_precision == pytest.approx(sklearn.average_precision_score(positive, scores))


@settings(max_examples=150, deadline=None)
@given(ROWS)
def test_no_threshold_is_better_than_the_chosen_one(rows):
    scores, positive = columns(rows)
    tried = [*np.unique(scores), 2.0]
    if positive.any():
        chosen = f1_threshold(scores, positive)
        assert chosen.score == pytest.approx(sklearn.f1_score(positive, scores >= chosen.value))
        best = max(
            2 * (positive & (scores >= t)).sum() / (positive.sum() + (scores >= t).sum()) for t in tried
        )
        assert chosen.score == pytest.approx(best)


def test_all_labels_at_once_equal_one_after_another():
    rng = np.random.default_rng(0)
    scores = rng.random((80, 7)).astype(np.float32).round(1)
    positive = rng.random((80, 7)) < [0.5, 0.1, 0.9, 0.02, 0.0, 0.3, 0.3]
    together = f1_thresholds(scores, positive, default=0.35)
    assert together == tuple(f1_threshold(scores[:, c], positive[:, c], default=0.35) for c in range(7))
    assert together[4].value == 0.35


@pytest.mark.parametrize("num_bins", [1, 4, 15])
def test_reliability_equals_scikit_learn(num_bins):
    rng = np.random.default_rng(num_bins)
    confidences = np.concatenate([rng.beta(5, 1, 300), [0.0, 1.0, 0.25, 0.5, 0.5, 0.5]])
    right = rng.random(len(confidences)) < confidences**2
    counts = ReliabilityCounts(num_bins)
    counts.add(confidences[:100], right[:100])
    counts.add(confidences[100:], right[100:])
    table = counts.table()
    accuracy, confidence = reference.calibration_curve(right, confidences, n_bins=num_bins)
    assert [row.accuracy for row in table] == pytest.approx(accuracy)
    assert [row.confidence for row in table] == pytest.approx(confidence)
    assert sum(row.count for row in table) == len(right)
    held = [(confidences > row.low) & (confidences <= row.high) for row in table]
    held[0] |= confidences == table[0].low
    assert [mask.sum() for mask in held] == [row.count for row in table]
    gaps = [mask.sum() * abs(confidences[mask].mean() - right[mask].mean()) for mask in held]
    assert expected_calibration_error(table) == pytest.approx(sum(gaps) / len(right))
