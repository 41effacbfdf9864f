"""Calibration by hand and at its edges; scikit-learn is asked in `tests/parity`."""

import numpy as np
import pytest

from erya.metrics.calibration import (
    ReliabilityBin,
    ReliabilityCounts,
    expected_calibration_error,
)


def test_by_hand():
    counts = ReliabilityCounts(2)
    counts.add([0.9, 0.7, 0.5, 0.0], [True, False, True, False])
    assert counts.table() == (
        ReliabilityBin(0.0, 0.5, 2, pytest.approx(0.25), 0.5),
        ReliabilityBin(0.5, 1.0, 2, pytest.approx(0.8), 0.5),
    )
    assert expected_calibration_error(counts.table()) == pytest.approx((0.25 + 0.3) / 2)


def test_nothing_is_zero_not_an_error():
    assert ReliabilityCounts().table() == ()
    assert expected_calibration_error(()) == 0.0


@pytest.mark.parametrize(
    ("confidences", "right"),
    [([0.5], [True, False]), ([1.1], [True]), ([np.nan], [True]), ([[0.5]], [[True]])],
)
def test_refuses_what_is_no_confidence(confidences, right):
    with pytest.raises(ValueError):
        ReliabilityCounts().add(confidences, right)


def test_refuses_no_bins():
    with pytest.raises(ValueError):
        ReliabilityCounts(0)
