"""The pictures of an evaluation: the confusion matrix and the curves of the training run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from erya.pages.pictures import BLUE, GREEN, GREY, INK, ORANGE, new_figure, short_label, styled, to_svg
from erya.runtime import require

_MOST_POINTS = 1500
_MOST_NUMBERED_CLASSES = 16
_DARK = 0.75  # from this share of blue on, light figures are read more easily than dark ones
# Lines differ in their marks too, so that no one has to tell colours apart.
_LINES = ((GREEN, "o"), (ORANGE, "s"), (BLUE, "^"), (GREY, "D"))


def confusion_picture(confusion: NDArray[np.int64], labels: Sequence[str]) -> str:
    """The confusion matrix as an SVG element: truth down, prediction across, shade = share of the truth.

    Args:
        confusion: counts, shape (C, C), truth by row.
        labels: names of the C classes.
    """
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    side = min(2.2 + 0.5 * len(labels), 9.0)
    with styled("confusion"):
        figure, axes = new_figure(side + 0.6, side)
        axes.pcolormesh(shares, cmap=_shades(), vmin=0.0, vmax=1.0, edgecolors="white", linewidth=0.8)
        axes.invert_yaxis()
        axes.set_aspect("equal")
        axes.tick_params(length=0)
        axes.set_xlabel("predicted")
        axes.set_ylabel("truth")
        ticks = np.arange(len(labels)) + 0.5
        names = [short_label(label) for label in labels]
        axes.set_xticks(ticks, names, rotation=90 if max(map(len, names)) > 4 else 0)
        axes.set_yticks(ticks, names)
        for spine in axes.spines.values():
            spine.set_visible(False)
        if len(labels) <= _MOST_NUMBERED_CLASSES:
            _write_counts(axes, confusion, shares)
        return to_svg(figure).replace("#ffffff", "var(--paper)")


def curves_picture(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """Training loss and what evaluation said, over steps, as an SVG element.

    Args:
        rows: the lines of a run's `metrics.jsonl`; `step` with `loss` and, on some, `eval_...` numbers.
    Returns:
        The picture, or None when the rows hold no loss.
    """
    losses, scores = _series(rows, "loss"), _score_series(rows)
    eval_loss = _series(rows, "eval_loss")
    if len(losses) == 0 and len(eval_loss) == 0:
        return None
    with styled("curves"):
        figure, axes = new_figure(7.5, 3.0, columns=2 if scores else 1)
        left = axes[0] if scores else axes
        _draw_losses(left, losses, eval_loss)
        if scores:
            for (name, series), (colour, mark) in zip(scores.items(), _LINES, strict=False):
                axes[1].plot(*series.T, marker=mark, markersize=4, color=colour, label=_readable(name))
            axes[1].set_xlabel("step")
            axes[1].set_title("scores on held-out texts", loc="left", fontsize=9)
            axes[1].legend(frameon=False)
        return to_svg(figure)


def _draw_losses(axes: Any, losses: NDArray[np.float64], eval_loss: NDArray[np.float64]) -> None:
    if len(losses):
        thinned = losses[:: -(-len(losses) // _MOST_POINTS)]
        axes.plot(*thinned.T, color=BLUE, alpha=0.25, linewidth=0.8)
        axes.plot(*_smoothed(thinned).T, color=BLUE, label="training (smoothed)")
    if len(eval_loss):
        axes.plot(*eval_loss.T, marker="o", markersize=3, color=ORANGE, label="held out")
    axes.set_xlabel("step")
    axes.set_title("loss", loc="left", fontsize=9)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)


def _shades() -> Any:
    """From nothing to blue: whatever the page's colour, it shines through."""
    colours = require("matplotlib.colors")
    return colours.LinearSegmentedColormap.from_list(
        "shades", [(*colours.to_rgb(BLUE), a) for a in (0.0, 1.0)]
    )


def _write_counts(axes: Any, confusion: NDArray[np.int64], shares: NDArray[np.float64]) -> None:
    for (row, column), count in np.ndenumerate(confusion):
        # White becomes the colour of the page: dark where the blue is light.
        colour = "white" if shares[row, column] > _DARK else INK
        axes.text(column + 0.5, row + 0.5, f"{count:,}", ha="center", va="center", color=colour)


def _series(rows: Sequence[Mapping[str, Any]], name: str) -> NDArray[np.float64]:
    """(step, value) pairs of the rows that have `name`, shape (P, 2)."""
    pairs = [(row["step"], row[name]) for row in rows if row.get(name) is not None and "step" in row]
    return np.array(pairs, dtype=np.float64).reshape(-1, 2)


def _score_series(rows: Sequence[Mapping[str, Any]]) -> dict[str, NDArray[np.float64]]:
    """The series of every evaluation number in [0, 1] except the loss, at most four."""
    names = dict.fromkeys(
        key for row in rows for key in row if key.startswith("eval_") and key != "eval_loss"
    )
    series = {name: _series(rows, name) for name in names if _are_numbers(rows, name)}
    within = {name: s for name, s in series.items() if len(s) and s[:, 1].min() >= 0 and s[:, 1].max() <= 1}
    return dict(list(within.items())[:4])


def _are_numbers(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    return all(isinstance(row[name], int | float) for row in rows if row.get(name) is not None)


def _smoothed(series: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over a window of a twentieth of the points, narrower at the ends."""
    half = max(len(series) // 40, 0)
    sums = np.concatenate([[0.0], np.cumsum(series[:, 1])])
    places = np.arange(len(series))
    low, high = np.maximum(places - half, 0), np.minimum(places + half + 1, len(series))
    return np.stack([series[:, 0], (sums[high] - sums[low]) / (high - low)], axis=1)


def _readable(name: str) -> str:
    return name.removeprefix("eval_").replace("_", " ")
