"""What an extended vocabulary brings, measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from erya.cli.console import print_table

if TYPE_CHECKING:
    from erya.tokenizer.wordpiece import Tokenizer

_ON_DISPLAY = 30


def measured_gain(old: Tokenizer, new: Tokenizer, texts: Sequence[str]) -> dict[str, Any]:
    """Put both tokenizers on the same texts.

    Returns:
        For a report: under `measured` pairs of figures, before and after. Empty when there is no text.
    """
    from erya.tokenizer.coverage import measure_coverage
    from erya.tokenizer.speed import measure_speeds

    if not any(texts):
        return {}
    before, after = measure_coverage(old, texts), measure_coverage(new, texts)
    return {
        "measured_documents": before.documents,
        "measured_characters": before.characters,
        "most_frequent_unknown": after.worst(_ON_DISPLAY),
        "measured": {
            "unknown_characters": [1 - before.covered_share, 1 - after.covered_share],
            "unknown_tokens": [before.unknown_share, after.unknown_share],
            "tokens": [before.tokens, after.tokens],
            "tokens_per_character": [before.tokens_per_character, after.tokens_per_character],
            "megabytes_per_s": measure_speeds([old, new], texts),
        },
    }


def print_gain(measured: dict[str, list[float]]) -> None:
    """The table of before and after."""
    rows = [
        {
            "measured": name.replace("_", " "),
            "before": _shown(name, before),
            "after": _shown(name, after),
            "change": f"{after / before - 1:+.1%}" if before else "",
        }
        for name, (before, after) in measured.items()
    ]
    print_table("what it brings", rows, as_json=False)


def _shown(name: str, value: float) -> str:
    if name.startswith("unknown"):
        return f"{value:.4%}"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4f}" if name.endswith("per_character") else f"{value:.1f}"
