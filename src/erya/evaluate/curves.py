"""From the probabilities of a ledger to calibration and to precision against recall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from erya.evaluate.ledger import Ledger
from erya.evaluate.score_plots import MOST_CURVES, RecallCurve
from erya.metrics.calibration import ReliabilityBin, ReliabilityCounts, expected_calibration_error
from erya.metrics.curves import precision_recall_curve


@dataclass(frozen=True, slots=True)
class CalibrationFound:
    """How far probabilities mean what they say.

    Attributes:
        error: expected calibration error, in [0, 1].
        table: claims of similar probability.
    """

    error: float
    table: Sequence[ReliabilityBin]


def calibration_of(ledger: Ledger) -> CalibrationFound | None:
    """The calibration of all claims; None where the model gives no probabilities."""
    given, right = ledger.claims()
    if not len(given):
        return None
    counts = ReliabilityCounts()
    counts.add(given.clip(0, 1), right)
    table = counts.table()
    return CalibrationFound(expected_calibration_error(table), table)


def recall_curves(ledger: Ledger) -> list[RecallCurve]:
    """Precision against recall: of a few classes, or of all claims where there are no distributions.

    Of two classes both are shown; of more the ones with the lowest average precision.
    """
    rows, truths, _ = ledger.distributions()
    if len(rows):
        names = ledger.adapter.classes
        occurring = np.flatnonzero(truths.any(axis=0)).tolist()
        curves = [_curve(names[c], rows[:, c], truths[:, c], None) for c in occurring]
        return sorted(curves, key=lambda curve: curve.average)[:MOST_CURVES]
    claimed, right = ledger.claims()
    if not right.any():
        return []
    num_true = max(ledger.num_true, int(right.sum()))
    return [_curve(ledger.adapter.words.claim, claimed, right, num_true)]


def _curve(
    name: str, scores: NDArray[np.floating], right: NDArray[np.bool_], num_true: int | None
) -> RecallCurve:
    found = precision_recall_curve(scores, right, num_positives=num_true)
    return RecallCurve(name, found.recall, found.precision, found.average_precision)
