"""What a passage has in common with a query, for showing it."""

from __future__ import annotations


def shared_stretches(query: str, passage: str, *, min_chars: int = 2) -> list[tuple[int, int]]:
    """Stretches of a passage that stand in the query, too, whatever their case.

    Args:
        query: any string.
        passage: any string.
        min_chars: shortest stretch; single characters are everywhere.
    Returns:
        Half-open spans of the passage, in order, the longest from the left; none holds white space alone.
    """
    asked, said = _folded(query), _folded(passage)
    found: list[tuple[int, int]] = []
    start = 0
    while start < len(said):
        end = start
        while end < len(said) and said[start : end + 1] in asked:
            end += 1
        if end - start >= min_chars and not said[start:end].isspace():
            found.append((start, end))
            start = end
        else:
            start += 1
    return found


def _folded(text: str) -> str:
    """In lower case, character by character, so that places stay."""
    return "".join(lower if len(lower := character.lower()) == 1 else character for character in text)
