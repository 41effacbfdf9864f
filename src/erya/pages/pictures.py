"""Pictures as SVG whose text stays text: Hanzi show in any browser and can be searched and copied.

Colours are those of the page: each is written as a variable of the style sheet, so a picture turns dark
with it.
"""

from __future__ import annotations

import io
import re
import warnings
from typing import Any

from erya.runtime import require

BLUE, ORANGE, GREEN, GREY = "#2b6cb0", "#dd6b20", "#2f855a", "#718096"
INK = "#1a202c"
# The variables of base.html.jinja that these colours stand for.
_VARIABLES = {BLUE: "--blue", ORANGE: "--orange", GREEN: "--green", GREY: "--grey", INK: "--ink"}
_STYLE = {
    "svg.fonttype": "none",
    "font.size": 9.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.facecolor": "none",
    "axes.grid": False,
    "figure.facecolor": "none",
}


def styled(salt: str) -> Any:
    """A context in which matplotlib draws in our style.

    Args:
        salt: keeps the names inside one picture apart from those of another on the page.
    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    return require("matplotlib").rc_context({**_STYLE, "svg.hashsalt": salt})


def new_figure(width: float, height: float, *, columns: int = 1) -> tuple[Any, Any]:
    """A figure without a window.

    Args:
        width: inches.
        height: inches.
        columns: panels beside each other.
    Returns:
        The figure and its axes: one, or an array of `columns`.
    """
    figure = require("matplotlib.figure").Figure((width, height), layout="constrained")
    return figure, figure.subplots(1, columns)


def short_label(label: str) -> str:
    """At most ten characters, and no `$`, which matplotlib would read as mathematics."""
    return (label if len(label) <= 10 else label[:9] + "…").replace("$", "＄")


def to_svg(figure: Any) -> str:
    """The figure as an `<svg>` element without what only a file of its own needs."""
    buffer = io.StringIO()
    with warnings.catch_warnings():
        # The browser has the Hanzi; matplotlib only measures the text.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    element = buffer.getvalue()
    element = element[element.index("<svg") :]
    element = re.sub(r"\s*<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    # Only style attributes hold colours; a text that says "#2b6cb0" stays as it is.
    return re.sub(r'style="[^"]*"', lambda found: _with_variables(found[0]), element)


def _with_variables(style: str) -> str:
    for colour, variable in _VARIABLES.items():
        style = style.replace(colour, f"var({variable})")
    return style
