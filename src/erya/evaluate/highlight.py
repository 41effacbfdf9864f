"""A text with the stretches of the truth and of the answer marked, cut to what is worth reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from erya.evaluate.outcome import Mark

_LONG = 240
_AROUND = 40
_HEAD = 160
GAP = "…"


@dataclass(frozen=True, slots=True)
class Tag:
    """The name of a stretch, shown where it ends.

    Attributes:
        name: its type.
        in_truth: whether the truth has this very stretch.
        in_answer: whether the answer has it.
    """

    name: str
    in_truth: bool
    in_answer: bool


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of characters marked alike.

    Attributes:
        text: the characters.
        in_truth: whether a stretch of the truth covers them.
        in_answer: whether a stretch of the answer does.
        tags: of the stretches that end here.
    """

    text: str
    in_truth: bool
    in_answer: bool
    tags: tuple[Tag, ...]


def highlighted(text: str, gold: Sequence[Mark], found: Sequence[Mark]) -> list[Piece]:
    """Cut a text where marks begin and end.

    Args:
        text: the text.
        gold: stretches of the truth; they may overlap.
        found: stretches of the answer.
    Returns:
        The text in pieces; of a long one what stands around the marks, with an ellipsis for what was left
        out.
    """
    marks = [mark for mark in {*gold, *found} if 0 <= mark.start < mark.end <= len(text)]
    edges = {0, len(text), *(edge for mark in marks for edge in (mark.start, mark.end))}
    shown = _shown(len(text), marks)
    edges |= {edge for window in shown for edge in window}
    cuts = sorted(edges)
    pieces: list[Piece] = []
    for start, end in pairwise(cuts):
        if any(low <= start and end <= high for low, high in shown):
            pieces.append(_piece(text, start, end, gold, found))
        elif not pieces or pieces[-1].text != GAP:
            pieces.append(Piece(GAP, False, False, ()))
    return pieces


def _piece(text: str, start: int, end: int, gold: Sequence[Mark], found: Sequence[Mark]) -> Piece:
    names = dict.fromkeys(mark for mark in (*gold, *found) if mark.end == end)
    return Piece(
        text[start:end],
        any(mark.start <= start and end <= mark.end for mark in gold),
        any(mark.start <= start and end <= mark.end for mark in found),
        tuple(Tag(mark.name, mark in gold, mark in found) for mark in names),
    )


def _shown(length: int, marks: Sequence[Mark]) -> list[tuple[int, int]]:
    """The windows of a text that are shown, ascending."""
    if length <= _LONG:
        return [(0, length)]
    if not marks:
        return [(0, _HEAD)]
    windows: list[tuple[int, int]] = []
    for mark in sorted(marks, key=lambda mark: mark.start):
        low, high = max(mark.start - _AROUND, 0), min(mark.end + _AROUND, length)
        if windows and low <= windows[-1][1]:
            windows[-1] = (windows[-1][0], max(high, windows[-1][1]))
        else:
            windows.append((low, high))
    return windows
