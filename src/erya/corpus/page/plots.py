"""Two pictures of the corpus report: the funnel from read to written, and how long the documents are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from erya.pages.pictures import BLUE, INK, ORANGE, new_figure, styled, to_svg
from erya.pages.render import percent

_MOST_TICKS = 16


def funnel_picture(stages: Sequence[Mapping[str, Any]]) -> str | None:
    """What each stage left, and what it took from the one before, as an SVG element.

    Args:
        stages: in order, with "name" and, where counted, "documents" and "characters".
    Returns:
        The picture, or None when nothing was counted.
    """
    # Steps that leave everything in place have a speed only.
    stages = [stage for stage in stages if stage.get("documents") or stage.get("characters")]
    panels = [what for what in ("documents", "characters") if any(stage.get(what) for stage in stages)]
    if not panels:
        return None
    with styled("funnel"):
        figure, axes = new_figure(10.2, 0.75 + 0.36 * len(stages), columns=len(panels))
        every = [axes] if len(panels) == 1 else list(axes)
        for panel, what in zip(every, panels, strict=True):
            _draw_funnel(panel, [(str(stage["name"]), stage.get(what)) for stage in stages])
            panel.set_title(what, loc="left", fontsize=10)
        for panel in every[1:]:
            panel.set_yticks([])
        return to_svg(figure)


def lengths_picture(lengths: Mapping[str, Any]) -> str | None:
    """How many documents of each length were kept and dropped, as an SVG element.

    Args:
        lengths: "edges" in characters, growing by about the same factor; "kept" and "dropped" count documents
            from each edge to the next.
    Returns:
        The picture, or None when there was no document.
    """
    bins = length_bins(lengths)
    if not any(kept or dropped for _, kept, dropped in bins):
        return None
    with styled("lengths"):
        figure, axes = new_figure(10.2, 2.7)
        # Edges that grow by a factor stand evenly: this is a logarithmic axis that can show 0.
        places = [place + 0.5 for place in range(len(bins))]
        kept, dropped = [row[1] for row in bins], [row[2] for row in bins]
        axes.bar(places, kept, width=0.92, color=BLUE, label="kept")
        axes.bar(places, dropped, width=0.92, bottom=kept, color=ORANGE, label="dropped")
        every = -(-len(bins) // _MOST_TICKS)
        axes.set_xticks(range(0, len(bins), every), [compact(row[0]) for row in bins[::every]])
        axes.yaxis.set_major_formatter(lambda value, _: compact(value))
        axes.set_xlim(0, len(bins))
        axes.set_xlabel("characters in the document")
        axes.set_ylabel("documents")
        axes.legend(frameon=False, loc="upper right")
        return to_svg(figure)


def length_bins(lengths: Mapping[str, Any]) -> list[tuple[float, int, int]]:
    """(shortest length, kept, dropped) of each bin; a missing series counts as nothing."""
    edges = lengths.get("edges") or []
    kept, dropped = lengths.get("kept") or [], lengths.get("dropped") or []
    number = min(max(len(kept), len(dropped)), len(edges))
    return [
        (edges[place], kept[place] if kept else 0, dropped[place] if dropped else 0)
        for place in range(number)
    ]


def compact(value: float) -> str:
    """A number in few signs: 950, 1.2k, 47.5M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def _draw_funnel(axes: Any, stages: Sequence[tuple[str, int | None]]) -> None:
    most = max(count or 0 for _, count in stages)
    before = None
    for place, (_, count) in enumerate(stages):
        if count is None:
            continue
        lost = max((before or 0) - count, 0)
        axes.barh(place, count, height=0.72, color=BLUE)
        axes.barh(place, lost, left=count, height=0.72, color=ORANGE, alpha=0.55)
        said = compact(count) + (f"  −{percent(lost / before)}" if before and lost else "")
        axes.text(count + lost + 0.015 * most, place, said, va="center", color=INK)
        before = count
    axes.set_yticks(range(len(stages)), [name for name, _ in stages])
    axes.set_ylim(len(stages) - 0.5, -0.5)
    # The longest bar leaves room for what is said beside it.
    axes.set_xlim(0, 1.3 * most)
    axes.set_xticks([])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
