"""Thresholds by hand: where between two scores they lie, ties, and where nothing can be chosen."""

import numpy as np
import pytest

from erya.metrics.thresholds import f1_threshold, f1_thresholds


def test_a_threshold_lies_between_what_it_accepts_and_the_rest():
    assert f1_threshold([0.9, 0.7, 0.3, 0.1], [True, True, False, False]).value == pytest.approx(0.5)
    assert f1_threshold([0.9, 0.7, 0.3, 0.1], [True, True, False, False]).score == 1.0
    assert f1_threshold([0.9, 0.7], [True, True]).value == 0.7  # nothing is lower
    low, high = 1.0, np.nextafter(1.0, 2.0)
    assert f1_threshold([low, high], [False, True]).value == high  # nothing is between


def test_equal_scores_are_accepted_together():
    chosen = f1_threshold([0.9, 0.5, 0.5, 0.5, 0.1], [True, True, False, False, False])
    assert chosen.value == pytest.approx(0.7)
    assert chosen.score == pytest.approx(2 / 3)


def test_of_equally_good_ones_the_highest():
    # Accepting one (2 / 3) or four (2 * 2 / 6) is worth the same.
    assert f1_threshold([4.0, 3.0, 2.0, 1.0], [True, False, False, True]).value == 3.5


def test_classes_with_too_few_positive_examples_keep_the_default():
    scores = np.array([[0.3, 0.3], [0.2, 0.9], [0.1, 0.6]])
    positive = np.array([[True, True], [False, True], [False, False]])
    first, second = f1_thresholds(scores, positive, default=0.4, min_positives=2)
    assert (first.value, first.score) == (0.4, 0.0)
    assert (second.value, second.score) == (0.3, pytest.approx(4 / 5))
    assert f1_thresholds(scores, positive, default=0.25, min_positives=3)[0].score == 1.0


def test_no_examples():
    assert f1_threshold([], []).value == 0.5


@pytest.mark.parametrize(
    ("scores", "positive", "options"),
    [
        ([[0.1], [np.nan]], [[True], [False]], {}),
        ([[0.1], [0.2]], [[True]], {}),
        ([0.1], [True], {}),
        ([[0.1]], [[True]], {"min_positives": 0}),
    ],
)
def test_refuses_what_cannot_be_cut(scores, positive, options):
    with pytest.raises(ValueError):
        f1_thresholds(scores, positive, **options)
