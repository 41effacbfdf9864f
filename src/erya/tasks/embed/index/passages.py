"""Texts cut into passages of bounded length where sentences end."""

from __future__ import annotations

from erya.text.sentences import sentences


def passages(text: str, *, max_chars: int) -> list[tuple[int, int]]:
    """Cut a text.

    Args:
        text: any string.
        max_chars: longest passage in characters, at least 1. Sentences are put together as long as they fit;
            one that is longer is cut.
    Returns:
        Half-open spans in order, which do not overlap; every letter, Hanzi and digit lies in one.
    """
    found: list[tuple[int, int]] = []
    for start, end in sentences(text):
        if found and end - found[-1][0] <= max_chars:
            found[-1] = (found[-1][0], end)
            continue
        for begin in range(start, end, max_chars):
            found.append((begin, min(begin + max_chars, end)))
    return [(start, end) for start, end in found if any(map(str.isalnum, text[start:end]))]
