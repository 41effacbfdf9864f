"""Calibration by hand and at its edges; scikit-learn is asked in `tests/parity`."""

import numpy as np
import pytest

from erya.metrics.calibration import (
    ReliabilityBin,
    ReliabilityCounts,
    brier_score,
    equal_mass_table,
    expected_calibration_error,
    top_answers,
)


def test_by_hand():
    counts = ReliabilityCounts(2)
    counts.add([0.9, 0.7, 0.5, 0.0], [True, False, True, False])
    assert counts.table() == (
        ReliabilityBin(0.0, 0.5, 2, pytest.approx(0.25), 0.5),
        ReliabilityBin(0.5, 1.0, 2, pytest.approx(0.8), 0.5),
    )
    assert expected_calibration_error(counts.table()) == pytest.approx((0.25 + 0.3) / 2)


def test_bins_of_equal_mass_see_what_equal_width_hides():
    """Confidences near 1: one bin of equal width holds them all, and its errors cancel."""
    confidences = np.linspace(0.95, 1.0, 200)
    right = np.arange(200) >= 5
    wide = ReliabilityCounts(10)
    wide.add(confidences, right)
    assert len(wide.table()) == 1
    narrow = equal_mass_table(confidences, right, num_bins=10)
    assert [row.count for row in narrow] == [20] * 10
    assert expected_calibration_error(wide.table()) < 0.001
    assert expected_calibration_error(narrow) > 0.02


def test_equal_confidences_stay_together():
    table = equal_mass_table([0.5] * 9 + [0.9], [True] * 10, num_bins=5)
    assert [row.count for row in table] == [9, 1]


def test_nothing_is_zero_not_an_error():
    assert ReliabilityCounts().table() == equal_mass_table([], []) == ()
    assert expected_calibration_error(()) == 0.0
    assert brier_score(np.zeros((0, 2)), []) == 0.0


def test_brier_score_by_hand():
    assert brier_score([[0.8, 0.2], [0.0, 1.0]], [0, 0]) == pytest.approx((0.08 + 2) / 2)


@pytest.mark.parametrize(
    ("confidences", "right"),
    [([0.5], [True, False]), ([1.1], [True]), ([np.nan], [True]), ([[0.5]], [[True]])],
)
def test_refuses_what_is_no_confidence(confidences, right):
    with pytest.raises(ValueError):
        ReliabilityCounts().add(confidences, right)
    with pytest.raises(ValueError):
        equal_mass_table(confidences, right)


def test_refuses_no_bins_and_unknown_classes():
    with pytest.raises(ValueError):
        ReliabilityCounts(0)
    with pytest.raises(ValueError):
        brier_score([[0.5, 0.5]], [2])
    with pytest.raises(ValueError):
        brier_score([[0.5, 0.5]], [0, 1])
    with pytest.raises(ValueError):
        top_answers([[0.5, 0.5], [0.1, 0.9]], [1])
