"""From the probabilities of a ledger to calibration and to precision against recall."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from erya.evaluate.ledger import Ledger
from erya.evaluate.score_plots import MOST_CURVES, RecallCurve

_BINS = 15


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far probabilities mean what they say.

    Attributes:
        error: expected calibration error, in [0, 1]: mean distance of probability and share right, bins
            weighted by size.
        probability: mean probability of each bin, shape (M,).
        right: share of right claims of each bin, shape (M,).
        counts: claims in each bin, shape (M,).
    """

    error: float
    probability: NDArray[np.float64]
    right: NDArray[np.float64]
    counts: NDArray[np.int64]


def calibration_of(ledger: Ledger) -> Calibration | None:
    """The calibration of all claims in bins of equal width; None where the model gives no probabilities.

    Source: Naeini, Cooper and Hauskrecht 2015, Obtaining Well Calibrated Probabilities, section 2.
    """
    given, right = ledger.claims()
    if not len(given):
        return None
    bins = np.clip((given * _BINS).astype(np.int64), 0, _BINS - 1)
    counts = np.bincount(bins, minlength=_BINS)
    below = np.maximum(counts, 1)
    probability = np.bincount(bins, given, minlength=_BINS) / below
    share = np.bincount(bins, right, minlength=_BINS) / below
    error = float((np.abs(probability - share) * counts).sum() / len(given))
    return Calibration(error, probability, share, counts)


def recall_curves(ledger: Ledger) -> list[RecallCurve]:
    """Precision against recall: of a few classes, or of all claims where there are no distributions.

    Of two classes both are shown; of more the ones with the lowest average precision.
    """
    rows, given, _ = ledger.distributions()
    if len(given) and rows.shape[1] == len(ledger.adapter.cells):
        names = ledger.adapter.cells
        curves = [
            curve_of(names[c], rows[:, c], given == c, num_true=int((given == c).sum()))
            for c in np.unique(given).tolist()
        ]
        return sorted(curves, key=lambda curve: curve.average)[:MOST_CURVES]
    claimed, right = ledger.claims()
    if not len(claimed) or not ledger.num_true:
        return []
    return [curve_of(ledger.adapter.words.claim, claimed, right, num_true=ledger.num_true)]


def curve_of(
    name: str, scores: NDArray[np.floating], right: NDArray[np.bool_], *, num_true: int
) -> RecallCurve:
    """Precision against recall as the threshold falls; equal scores fall together.

    Args:
        name: of the curve.
        scores: shape (P,).
        right: which claims are right, shape (P,).
        num_true: how many right claims there could be.
    """
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(right[order])
    last = np.append(np.diff(scores[order]) != 0, True)
    places = np.flatnonzero(last)
    precision = hits[places] / (places + 1)
    recall = hits[places] / max(num_true, 1)
    average = float((np.diff(recall, prepend=0.0) * precision).sum())
    return RecallCurve(name, recall, precision, average)
