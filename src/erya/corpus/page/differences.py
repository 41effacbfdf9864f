"""How a near-duplicate differs from the text that was kept, character by character."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

Kind = Literal["same", "added", "removed", "skipped"]

_LONGEST = 600
_CONTEXT = 24
_FEWEST_SAME = 2


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a comparison.

    Attributes:
        kind: "added" stands in the other text only, "removed" in the kept one only; "skipped" stands for a
            stretch that both have and nobody needs to read.
        text: the characters; of a skipped stretch their number.
    """

    kind: Kind
    text: str


def differences(kept: str, other: str) -> list[Piece]:
    """Compare two texts; of long ones the first 600 characters.

    Args:
        kept: the text that was kept.
        other: the text that was dropped.
    Returns:
        Pieces in reading order; the same and the removed ones spell the kept text, save what is skipped.
    """
    pieces = _merged(_operations(kept[:_LONGEST], other[:_LONGEST]))
    if max(len(kept), len(other)) > _LONGEST:
        # What differs at the very end differs by where the texts were cut.
        while pieces and pieces[-1].kind != "same":
            pieces.pop()
        pieces.append(Piece("skipped", ""))
    return [shown for place, piece in enumerate(pieces) for shown in _shortened(piece, first=place == 0)]


def _operations(kept: str, other: str) -> Iterator[tuple[str, str]]:
    """(stretch of the kept text, stretch of the other) in order; equal where both have it."""
    # Comparing takes quadratic time and duplicates mostly begin alike.
    shorter = min(len(kept), len(other))
    start = next((place for place in range(shorter) if kept[place] != other[place]), shorter)
    if start:
        yield kept[:start], other[:start]
    kept, other = kept[start:], other[start:]
    # With autojunk the most frequent Hanzi would match nothing.
    for _, a, b, c, d in SequenceMatcher(None, kept, other, autojunk=False).get_opcodes():
        yield kept[a:b], other[c:d]


def _merged(operations: Iterator[tuple[str, str]]) -> list[Piece]:
    """Pieces in which a single character that both have by chance does not break up a difference."""
    pieces: list[Piece] = []
    removed = added = ""
    for kept, other in operations:
        if kept != other or (len(kept) < _FEWEST_SAME and (removed or added)):
            removed, added = removed + kept, added + other
            continue
        pieces += _changed(removed, added)
        removed = added = ""
        pieces.append(Piece("same", kept))
    return pieces + _changed(removed, added)


def _changed(removed: str, added: str) -> list[Piece]:
    if removed == added:
        return [Piece("same", removed)] if removed else []
    both: list[tuple[Kind, str]] = [("removed", removed), ("added", added)]
    return [Piece(kind, text) for kind, text in both if text]


def _shortened(piece: Piece, *, first: bool) -> list[Piece]:
    """A long common stretch as its ends; the first piece keeps more, so that one sees what text it is."""
    head = 2 * _CONTEXT if first else _CONTEXT
    left_out = len(piece.text) - head - _CONTEXT
    if piece.kind != "same" or left_out <= _CONTEXT:
        return [piece]
    return [
        Piece("same", piece.text[:head]),
        Piece("skipped", f"{left_out:,}"),
        Piece("same", piece.text[-_CONTEXT:]),
    ]
