"""What training or extending a vocabulary tells, on the terminal and in the report beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from erya.cli.console import messages, print_table

if TYPE_CHECKING:
    from erya.corpus.texts import TextSource
    from erya.tokenizer.coverage import Coverage

_ON_DISPLAY = 30


def coverage_report(coverage: Coverage) -> dict[str, Any]:
    """The figures of a held-out text, for a report.

    Returns:
        Totals named `heldout_...`, and under `heldout` a row a kind of characters and a script of documents.
        Nothing but the number of documents when there is none.
    """
    from erya.tokenizer.coverage import coverage_rows

    report: dict[str, Any] = {"heldout_documents": coverage.documents}
    if not coverage.documents:
        return report
    return report | {
        "heldout_characters": coverage.characters,
        "heldout_tokens": coverage.tokens,
        "heldout_characters_covered": round(coverage.covered_share, 6),
        "heldout_unknown_tokens": coverage.unknown,
        "heldout_unknown_share": round(coverage.unknown_share, 6),
        "heldout_tokens_per_character": round(coverage.tokens_per_character, 4),
        "most_frequent_unknown": coverage.worst(_ON_DISPLAY),
        "heldout": coverage_rows(coverage),
    }


def print_summary(title: str, report: dict[str, Any]) -> None:
    """The figures of a report, one a line."""
    rows = [{"": name.replace("_", " "), "count": _shown(name, value)} for name, value in report.items()]
    print_table(title, rows, as_json=False)


def print_coverage(rows: list[dict[str, Any]]) -> None:
    """The table of kinds of characters and scripts of documents; nothing where nothing was measured."""
    shown = [
        {
            "held-out": row["kind"],
            "texts": "" if row["documents"] is None else f"{row['documents']:,}",
            "characters": f"{row['characters']:,}",
            "share": f"{row['share']:.2%}",
            "unknown": f"{row['unknown_share']:.4%}",
            "tokens/char": f"{row['tokens_per_character']:.4f}",
        }
        for row in rows
    ]
    if shown:
        print_table("how well it fits text it was not trained on", shown, as_json=False)


def tell_problems(source: TextSource) -> None:
    """Say on stderr which lines could not be read."""
    for problem in source.problems:
        messages.print(problem, markup=False, style="yellow")


def _shown(name: str, value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}" if name.endswith("per_character") else f"{value:.4%}"
    return f"{value:,}" if isinstance(value, int) else str(value)
