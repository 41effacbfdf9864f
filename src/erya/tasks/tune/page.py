"""What a search found, as a page that fetches nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from erya.files import to_json
from erya.pages.pictures import BLUE, GREY, ORANGE, new_figure, short_label, styled, to_svg
from erya.pages.render import render, write
from erya.tasks.tune.space import Choice, RangeRecipe, Space
from erya.tasks.tune.study import Outcome, Study

TUNE_PAGE = "tune.html"
_COLOURS = {"whole": BLUE, "cut short": GREY}
_PANELS = 3  # slices beside each other


def write_tune(directory: Path, study: Study, *, key: str, title: str) -> Path:
    """Write the page of a search.

    Args:
        directory: gets `tune.html`.
        study: what was tried.
        key: the monitored score.
        title: what was searched, for the page's head.
    Returns:
        The page.
    Raises:
        StorageError: the disk refuses.
    """
    outcomes, score = study.outcomes(), key.removeprefix("eval_")
    scored = [outcome for outcome in outcomes if outcome.score is not None]
    page = render(
        "erya.tasks.tune",
        "tune.html.jinja",
        title=title,
        score=score,
        best=study.best(),
        outcomes=sorted(outcomes, key=lambda each: _rank(each, study.maximise)),
        keys=list(study.space),
        shown=shown,
        history=history_picture(scored, score, maximise=study.maximise) if scored else None,
        importances=importance_picture(found) if (found := study.importances()) else None,
        slices=slice_pictures(scored, study.space, score) if len(scored) > 1 else [],
        curves=curves_picture(scored, score) if any(len(each.curve) > 1 for each in scored) else None,
    )
    write(directory / TUNE_PAGE, page)
    return directory / TUNE_PAGE


def shown(value: Any) -> str:
    """A value of a recipe key for a table."""
    if isinstance(value, float):
        return f"{value:.3g}"
    return value if isinstance(value, str) else to_json(value)


def _rank(outcome: Outcome, maximise: bool) -> tuple[int, float]:
    """The best whole trial first, then those cut short, then those that failed."""
    group = ("whole", "cut short", "failed").index(outcome.status)
    return group, (outcome.score or 0.0) * (-1 if maximise else 1)


def history_picture(outcomes: Sequence[Outcome], score: str, *, maximise: bool) -> str:
    """Scores in the order of the trials with the best so far, as an SVG element."""
    with styled("history"):
        figure, axes = new_figure(7.5, 2.8)
        _scatter(axes, outcomes, [float(each.number) for each in outcomes])
        whole = [each for each in outcomes if each.status == "whole"]
        best: list[float] = []
        for each in whole:
            value = each.score or 0.0
            best.append((max if maximise else min)(value, *best[-1:]) if best else value)
        numbers = [each.number for each in whole]
        axes.step(numbers, best, where="post", color=ORANGE, label="best so far")
        axes.set_xlabel("trial")
        axes.set_title(score, loc="left", fontsize=9)
        axes.legend(frameon=False)
        return to_svg(figure)


def importance_picture(importances: Mapping[str, float]) -> str:
    """How much each key explains, as an SVG element."""
    with styled("importance"):
        figure, axes = new_figure(7.5, 0.6 + 0.32 * len(importances))
        names = list(importances)[::-1]
        bars = axes.barh(names, [importances[name] for name in names], color=BLUE, height=0.6)
        axes.bar_label(bars, [f"{importances[name]:.0%}" for name in names], padding=3)
        axes.set_xlim(0, 1)
        axes.tick_params(length=0)
        axes.set_xticks([])
        return to_svg(figure)


def slice_pictures(outcomes: Sequence[Outcome], space: Space, score: str) -> list[str]:
    """The score over each key, as SVG elements of up to three panels."""
    keys = list(space)
    rows = [keys[start : start + _PANELS] for start in range(0, len(keys), _PANELS)]
    pictures = []
    for place, row in enumerate(rows):
        with styled(f"slices{place}"):
            figure, axes = new_figure(2.5 * len(row), 2.5, columns=len(row))
            for panel, key in zip([axes] if len(row) == 1 else axes, row, strict=True):
                _draw_slice(panel, outcomes, key, space[key])
                panel.set_title(key, loc="left", fontsize=9)
            pictures.append(to_svg(figure))
    return pictures


def _draw_slice(axes: Any, outcomes: Sequence[Outcome], key: str, entry: RangeRecipe | Choice) -> None:
    if isinstance(entry, Choice):
        names = [entry.stored(value) for value in entry.values]
        places = [float(names.index(entry.stored(each.values[key]))) for each in outcomes]
        axes.set_xticks(range(len(names)), [short_label(shown(name)) for name in names])
        axes.set_xlim(-0.5, len(names) - 0.5)
    else:
        places = [float(each.values[key]) for each in outcomes]
        axes.set_xscale("log" if entry.log else "linear")
    _scatter(axes, outcomes, places)


def _scatter(axes: Any, outcomes: Sequence[Outcome], places: Sequence[float]) -> None:
    for status, colour in _COLOURS.items():
        chosen = [place for place, each in enumerate(outcomes) if each.status == status]
        if chosen:
            axes.plot(
                [places[number] for number in chosen],
                [outcomes[number].score for number in chosen],
                linestyle="none",
                marker="o" if status == "whole" else "x",
                markersize=4,
                color=colour,
                label=status,
            )


def curves_picture(outcomes: Sequence[Outcome], score: str) -> str:
    """The score of every trial at each look at the dev file, as an SVG element."""
    with styled("looks"):
        figure, axes = new_figure(7.5, 2.8)
        for outcome in outcomes:
            colour = _COLOURS[outcome.status]
            axes.plot(*zip(*outcome.curve, strict=True), color=colour, linewidth=0.9, marker=".", alpha=0.7)
        best = [outcome for outcome in outcomes if outcome.status == "whole"]
        if best:
            axes.plot([], [], color=BLUE, label="whole")
        if len(best) < len(outcomes):
            axes.plot([], [], color=GREY, label="cut short")
        axes.set_xlabel("looks at the dev file")
        axes.set_title(score, loc="left", fontsize=9)
        axes.legend(frameon=False)
        return to_svg(figure)
