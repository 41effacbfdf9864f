"""The page that compares two models: one file that fetches nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from erya.evaluate import sections
from erya.evaluate.compare import Comparison, Disagreement
from erya.evaluate.estimates import Estimate
from erya.pages.render import render, write


def write_comparison(path: Path, comparison: Comparison) -> None:
    """Write the page.

    Args:
        path: the HTML file.
        comparison: what was measured.
    Raises:
        MissingExtraError: jinja2 is not installed.
        StorageError: the disk refuses.
    """
    write(path, render_comparison(comparison))


def render_comparison(comparison: Comparison) -> str:
    """The page as HTML; every text from outside is escaped."""
    wins = [_wins(comparison.first_wins), _wins(comparison.second_wins)]
    return render(
        "erya.evaluate",
        "comparison.html.jinja",
        comparison=comparison,
        words=comparison.first.ledger.adapter.words,
        classes=_class_rows(comparison),
        parts=_part_tables(comparison),
        wins=wins,
        warnings=_warnings(comparison),
        marks=any(row["right"] for rows in wins for row in rows),
        facts=[sections.facts(comparison.first), sections.facts(comparison.second)],
    )


def _warnings(comparison: Comparison) -> list[tuple[str, str]]:
    """What a reader must know, with the model it is said of; "" where it is both."""
    mine, theirs = comparison.first.warnings, comparison.second.warnings
    both = [("", warning) for warning in mine if warning in theirs]
    alone = [("A: ", warning) for warning in mine if warning not in theirs]
    return both + alone + [("B: ", warning) for warning in theirs if warning not in mine]


def _class_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """F1 of each class by both models, the largest difference first."""
    theirs = {row["label"]: row for row in sections.class_rows(comparison.second)}
    rows = [
        {
            "label": row["label"],
            "support": row["support"],
            "first": row,
            "second": theirs[row["label"]],
            "difference": theirs[row["label"]]["f1"] - row["f1"],
        }
        for row in sections.class_rows(comparison.first)
        if row["label"] in theirs
    ]
    return sorted(rows, key=lambda row: -abs(row["difference"]))


def _part_tables(comparison: Comparison) -> list[dict[str, Any]]:
    """The first measure of each part by both models."""
    tables = []
    for name, parts in comparison.first.parts.items():
        others = comparison.second.parts[name]
        rows = [
            _part_row(mine.name, mine.size, mine.estimates[0], theirs.estimates[0])
            for mine, theirs in zip(parts, others, strict=True)
        ]
        title = parts[0].estimates[0].title
        tables.append({"title": sections.PART_TITLES[name], "measure": title, "rows": rows})
    return tables


def _part_row(name: str, size: int, first: Estimate, second: Estimate) -> dict[str, Any]:
    return {
        "name": name,
        "size": size,
        "first": first,
        "second": second,
        "difference": second.value - first.value,
    }


def _wins(pairs: Sequence[Disagreement]) -> list[dict[str, Any]]:
    rights = sections.mistake_rows([pair.right for pair in pairs])
    wrongs = sections.mistake_rows([pair.wrong for pair in pairs])
    return [
        {"pair": pair, "right": right["pieces"], "wrong": wrong["pieces"]}
        for pair, right, wrong in zip(pairs, rights, wrongs, strict=True)
    ]
