"""Curves where scikit-learn gives warnings or errors; the rest is in `tests/parity`."""

import numpy as np
import pytest

from erya.metrics.curves import precision_recall_curve


def test_by_hand():
    curve = precision_recall_curve([0.9, 0.8, 0.8, 0.1], [True, False, True, False])
    assert curve.thresholds.tolist() == [0.9, 0.8, 0.1]
    assert curve.precision == pytest.approx([1, 2 / 3, 1 / 2])
    assert curve.recall == pytest.approx([1 / 2, 1, 1])
    assert curve.average_precision == pytest.approx(1 / 2 + 2 / 3 / 2)


def test_positives_without_a_score_are_never_recalled():
    curve = precision_recall_curve([0.9, 0.8], [True, True], num_positives=4)
    assert curve.recall.tolist() == [0.25, 0.5]
    assert curve.average_precision == 0.5
    with pytest.raises(ValueError):
        precision_recall_curve([0.9, 0.8], [True, True], num_positives=1)


def test_without_a_positive_example():
    curve = precision_recall_curve([0.5, 0.4], [False, False])
    assert curve.recall.tolist() == curve.precision.tolist() == [0.0, 0.0]
    assert curve.average_precision == 0.0


def test_nothing_at_all():
    assert precision_recall_curve([], []).average_precision == 0.0


@pytest.mark.parametrize(("scores", "positive"), [([0.1], [True, False]), ([np.inf], [True])])
def test_refuses_what_is_no_curve(scores, positive):
    with pytest.raises(ValueError):
        precision_recall_curve(scores, positive)
