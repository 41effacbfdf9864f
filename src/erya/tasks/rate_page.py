"""The curve of a search for a learning rate, as a picture on a page and as numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from erya.files import atomic_write, to_json
from erya.pages.pictures import BLUE, GREEN, GREY, ORANGE, new_figure, styled, to_svg
from erya.pages.render import render, write
from erya.tasks.rate_finder import RateCurve

RATE_PAGE, RATE_FILE = "rate.html", "rate.json"


def rate_picture(curve: RateCurve) -> str:
    """The loss over learning rates as an SVG element, with what was read off."""
    with styled("rate"):
        figure, axes = new_figure(7.5, 3.2)
        axes.plot(curve.rates, curve.losses, color=BLUE, alpha=0.25, linewidth=0.8, label="each step")
        axes.plot(curve.rates, curve.smoothed, color=BLUE, label="smoothed")
        for rate, colour, name in (
            (curve.steepest, GREEN, "falls fastest"),
            (curve.tenth, GREY, "a tenth of where it leaps up"),
            (curve.diverged, ORANGE, "leaps up"),
        ):
            if rate is not None:
                axes.axvline(rate, color=colour, linestyle="--", linewidth=1, label=f"{name}: {rate:.1e}")
        axes.set_xscale("log")
        axes.set_xlabel("learning rate")
        axes.set_title("loss while the learning rate rises", loc="left", fontsize=9)
        # What comes after the leap would flatten all that matters.
        low, first = float(curve.smoothed.min()), float(np.median(curve.losses[:10]))
        axes.set_ylim(max(0.0, low - 0.2 * first), low + 2.5 * max(first - low, 0.2 * first))
        axes.legend(frameon=False)
        return to_svg(figure)


def write_rate(directory: Path, curve: RateCurve, *, title: str) -> Path:
    """Write the page and the numbers.

    Args:
        directory: gets `rate.html` and `rate.json`.
        curve: what was found.
        title: what was searched for, for the page's head.
    Returns:
        The page.
    Raises:
        StorageError: the disk refuses.
    """
    with atomic_write(directory / RATE_FILE) as stream:
        stream.write(to_json(curve.to_dict()).encode())
    page = render("erya.tasks", "rate.html.jinja", title=title, curve=curve, picture=rate_picture(curve))
    write(directory / RATE_PAGE, page)
    return directory / RATE_PAGE
