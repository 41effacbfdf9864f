"""The page of a pre-flight: one file that holds all it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from erya.pages.pictures import BLUE, ORANGE, new_figure, styled, to_svg
from erya.pages.render import render, write
from erya.tasks.preflight.findings import LEVELS, Findings

# All of them are in check.json.
_MOST_SHOWN = 100


def write_page(path: Path, findings: Findings, *, when: str) -> None:
    """Write the page.

    Args:
        path: the HTML file.
        findings: what was found.
        when: the time of the check, as it is to stand there.
    Raises:
        MissingExtraError: jinja2 or matplotlib is not installed.
        StorageError: the disk refuses.
    """
    html = render(
        "erya.tasks.preflight",
        "page.html.jinja",
        findings=findings,
        by_level=[(level, findings.of_level(level)) for level in LEVELS],
        files=_files(findings),
        pictures={name: _histogram(of) for name, of in findings.lengths.items()},
        curve=_curve(findings.overfit) if findings.overfit else None,
        most=_MOST_SHOWN,
        when=when,
    )
    write(path, html)


def _files(findings: Findings) -> list[dict[str, Any]]:
    """A row a file: its path, its examples, its lengths."""
    return [
        {"name": name, "examples": None, "path": "", **of, "lengths": findings.lengths.get(name)}
        for name, of in findings.files.items()
    ]


def _histogram(lengths: Mapping[str, Any]) -> str:
    """How many inputs have how many tokens, and the limit."""
    counts, edges = lengths["histogram"]["counts"], lengths["histogram"]["edges"]
    with styled("lengths"):
        figure, axes = new_figure(5.2, 1.9)
        widths = [right - left for left, right in pairwise(edges)]
        axes.bar(edges[:-1], counts, widths, align="edge", color=BLUE)
        if edges[0] <= lengths["limit"] <= edges[-1]:
            axes.axvline(lengths["limit"], color=ORANGE)
        axes.set_xlabel("tokens")
        axes.set_ylabel("inputs")
        return to_svg(figure)


def _curve(losses: Sequence[float]) -> str:
    """The loss of one batch, step by step."""
    with styled("overfit"):
        figure, axes = new_figure(5.2, 1.9)
        axes.plot(range(1, len(losses) + 1), losses, color=BLUE)
        axes.set_xlabel("step")
        axes.set_ylabel("loss")
        axes.set_ylim(bottom=0)
        return to_svg(figure)
