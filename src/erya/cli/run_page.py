"""A page about a run: where it stands, its curves, what went wrong. It fetches nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from erya.cli.run_summary import numbers
from erya.evaluate.plots import curves_picture
from erya.pages.pictures import BLUE, GREEN, GREY, INK, ORANGE, new_figure, styled, to_svg
from erya.pages.render import render, write
from erya.train.metrics_file import read_metrics

_MOST_POINTS = 1500
_COLOURS = (BLUE, ORANGE, GREEN, GREY, INK)
# Title and keys of the small pictures; a key that ends in "_" stands for all that begin so.
_PANELS = (
    ("length of the gradient", ("grad_norm_",), True),
    ("update over weight", ("update_ratio_",), True),
    ("tokens/s", ("tokens_per_s",), False),
    ("share of the matrix rate", ("utilisation",), False),
    ("learning rate", ("lr",), False),
    ("seconds waited for data", ("data_wait_s",), False),
)


def write_run_page(path: Path, description: Mapping[str, Any], directory: Path) -> None:
    """Write the page of the run in `directory`.

    Args:
        path: the HTML file.
        description: what `erya info` found out about the run.
        directory: the run directory.
    Raises:
        MissingExtraError: jinja2 or matplotlib is not installed.
        StorageError: the disk refuses.
    """
    rows = list(read_metrics(directory))
    clean = [{key: value for key, value in row.items() if not isinstance(value, str)} for row in rows]
    html = render(
        "erya.cli",
        "run.html.jinja",
        run=description,
        name=directory.resolve().name,
        curves=curves_picture(clean),
        vitals=vitals_picture(clean),
        skips=[row for row in rows if "skipped" in row],
    )
    write(path, html)


def vitals_picture(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """Gradients, updates, speed and waits over steps, two panels a line, as an SVG element.

    Args:
        rows: the lines of a run's metrics.jsonl.
    Returns:
        The picture, or None when nothing of it was measured.
    """
    panels = [(title, _series(rows, keys), logarithmic) for title, keys, logarithmic in _PANELS]
    panels = [panel for panel in panels if panel[1]]
    if not panels:
        return None
    with styled("vitals"):
        figure, _ = new_figure(7.5, 2.0 * -(-len(panels) // 2))
        figure.clear()
        for place, (title, series, logarithmic) in enumerate(panels):
            axes = figure.add_subplot(-(-len(panels) // 2), 2, place + 1)
            for (name, points), colour in zip(series.items(), _COLOURS, strict=False):
                thinned = points[:: -(-len(points) // _MOST_POINTS)]
                steps, values = zip(*thinned, strict=True)
                axes.plot(steps, values, color=colour, linewidth=0.9, label=name)
            axes.set_title(title, loc="left", fontsize=9)
            if logarithmic and all(value > 0 for points in series.values() for _, value in points):
                axes.set_yscale("log")
            if len(series) > 1:
                axes.legend(frameon=False, fontsize=7)
        return to_svg(figure)


def _series(rows: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> dict[str, list[tuple[float, float]]]:
    """The points of every key asked for, by the name a legend has for it."""
    every = dict.fromkeys(name for row in rows for name in row)
    found = {
        name.removeprefix(key).replace("_", " "): numbers(rows, name)
        for key in keys
        for name in every
        if name == key or (key.endswith("_") and name.startswith(key))
    }
    return {name: points for name, points in found.items() if points}
