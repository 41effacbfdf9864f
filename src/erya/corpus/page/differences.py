"""How a near-duplicate differs from the text that was kept, character by character."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

Kind = Literal["same", "added", "removed", "skipped"]

_LONGEST = 600
_CONTEXT = 24
_FEWEST_SAME = 2
# Pairs of equal characters that the comparison may look at: 600 characters of prose have about 4,000, as many
# of 哈哈哈 have 360,000 and would take seconds.
_MOST_PAIRS = 40_000


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
        # What one text alone has at the very end, the other has behind the place where it was cut.
        if len(pieces) > 1 and pieces[-2].kind == "same":
            pieces.pop()
        pieces.append(Piece("skipped", ""))
    return [shown for place, piece in enumerate(pieces) for shown in _shortened(piece, first=place == 0)]


def _operations(kept: str, other: str) -> Iterator[tuple[str, str]]:
    """(stretch of the kept text, stretch of the other) in order; equal where both have it."""
    start = _num_common(kept, other)
    kept_rest, other_rest = kept[start:], other[start:]
    end = _num_common(kept_rest[::-1], other_rest[::-1])
    kept_rest, other_rest = kept_rest[: len(kept_rest) - end], other_rest[: len(other_rest) - end]
    yield kept[:start], kept[:start]
    counts = Counter(other_rest)
    if sum(counts[character] for character in kept_rest) > _MOST_PAIRS:
        yield kept_rest, other_rest
    else:
        # With autojunk the most frequent Hanzi would match nothing.
        for _, a, b, c, d in SequenceMatcher(None, kept_rest, other_rest, autojunk=False).get_opcodes():
            yield kept_rest[a:b], other_rest[c:d]
    yield kept[len(kept) - end :], kept[len(kept) - end :]


def _num_common(first: str, second: str) -> int:
    """How many characters two texts begin with alike."""
    shorter = min(len(first), len(second))
    return next((place for place in range(shorter) if first[place] != second[place]), shorter)


def _merged(operations: Iterator[tuple[str, str]]) -> list[Piece]:
    """Pieces in which a single character that both have by chance does not break up a difference."""
    pieces: list[Piece] = []
    same = removed = added = ""
    for kept, other in operations:
        if kept == other and (len(kept) >= _FEWEST_SAME or not (removed or added)):
            pieces += _pieces(same, removed, added) if removed or added else []
            same = kept if removed or added else same + kept
            removed = added = ""
        else:
            removed, added = removed + kept, added + other
    return pieces + _pieces(same, removed, added)


def _pieces(same: str, removed: str, added: str) -> list[Piece]:
    """A common stretch and the difference after it; empty ones left out."""
    parts: list[tuple[Kind, str]] = [("same", same), ("removed", removed), ("added", added)]
    return [Piece(kind, text) for kind, text in parts if text]


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
