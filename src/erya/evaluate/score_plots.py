"""The pictures of probabilities: precision against recall, and calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from erya.metrics.calibration import ReliabilityBin
from erya.pages.pictures import BLUE, GREEN, GREY, ORANGE, new_figure, short_label, styled, to_svg

_MOST_POINTS = 400
# Lines differ in their dashes too, so that no one has to tell colours apart.
_LINES = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (GREY, ":"))
MOST_CURVES = len(_LINES)


@dataclass(frozen=True, slots=True)
class RecallCurve:
    """Precision against recall as the threshold falls.

    Attributes:
        name: of the class, or of what is claimed.
        recall: ascending, shape (P,).
        precision: shape (P,).
        average: average precision, in [0, 1].
    """

    name: str
    recall: NDArray[np.float64]
    precision: NDArray[np.float64]
    average: float


def precision_recall_picture(curves: Sequence[RecallCurve]) -> str:
    """At most four curves, each labelled with its average precision, as an SVG element."""
    with styled("precision-recall"):
        figure, axes = new_figure(4.6, 4.0)
        for curve, (colour, dashes) in zip(curves, _LINES, strict=False):
            label = f"{short_label(curve.name)}  AP {curve.average:.3f}"
            kept = _thinned(len(curve.recall))
            axes.plot(curve.recall[kept], curve.precision[kept], dashes, color=colour, label=label)
        axes.set_xlabel("recall")
        axes.set_ylabel("precision")
        axes.set_xlim(0, 1.01)
        axes.set_ylim(0, 1.03)
        figure.legend(frameon=False, loc="outside lower center", ncols=2)
        return to_svg(figure)


def calibration_picture(table: Sequence[ReliabilityBin]) -> str:
    """Share of right claims against the probability they were given, as an SVG element.

    Args:
        table: claims of similar probability, by rising probability; one bin at least.
    """
    given = [one.confidence for one in table]
    right = [one.accuracy for one in table]
    most = max(one.count for one in table)
    with styled("calibration"):
        figure, axes = new_figure(4.6, 4.0)
        axes.plot([0, 1], [0, 1], ":", color=GREY, label="perfectly calibrated")
        axes.plot(given, right, "-", color=BLUE, linewidth=1.0)
        sizes = [12 + 120 * one.count / most for one in table]
        axes.scatter(given, right, s=sizes, color=BLUE, label="model (size: how many)")
        axes.set_xlabel("probability given")
        axes.set_ylabel("share that is right")
        axes.set_xlim(0, 1.02)
        axes.set_ylim(0, 1.03)
        figure.legend(frameon=False, loc="outside lower center", ncols=2)
        return to_svg(figure)


def scatter_picture(truth: NDArray[np.float64], predicted: NDArray[np.float64]) -> str:
    """Scores given against scores deserved, as an SVG element; of many, an even sample."""
    kept = _thinned(len(truth), most=2000)
    with styled("scatter"):
        figure, axes = new_figure(4.6, 3.6)
        axes.scatter(truth[kept], predicted[kept], s=8, color=BLUE, alpha=0.45, linewidths=0)
        axes.set_xlabel("truth")
        axes.set_ylabel("model")
        return to_svg(figure)


def _thinned(number: int, *, most: int = _MOST_POINTS) -> NDArray[np.int64]:
    """Places of at most `most` of `number` points, the ends among them."""
    return np.unique(np.linspace(0, max(number - 1, 0), min(number, most)).astype(np.int64))
