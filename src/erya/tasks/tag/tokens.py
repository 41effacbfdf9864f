"""Entities as tokens: where one begins and ends among the tokens of a text, or why it cannot.

T tokens of a text, W windows over it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from erya.tokenizer.encoding import Encoding

INSIDE_A_TOKEN = "begin or end inside a token"
NO_TOKEN = "have no token"
BARE_BORDER = "begin or end with white space or what else has no token"
CUT_OFF = "lie where the text was cut off"


@dataclass(frozen=True)
class TextTokens:
    """The tokens of a whole text, put together from its windows.

    Attributes:
        spans: their characters, ascending, shape (T, 2).
        firsts: of each window, the place in it of its first token of the text, shape (W,).
        starts: of each window, which token of the text that is, shape (W,).
        ends: of each window, the token of the text after its last, shape (W,).
        is_cut: whether the text goes on behind its last token.
    """

    spans: NDArray[np.int32]
    firsts: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    is_cut: bool

    @classmethod
    def of(cls, encodings: Sequence[Encoding]) -> TextTokens:
        """Put windows together, each of which begins within the one before or right behind it."""
        inner = [np.flatnonzero(encoding.text_ids == 0) for encoding in encodings]
        parts = [encoding.spans[places] for encoding, places in zip(encodings, inner, strict=True)]
        starts, whole = [0], [parts[0]]
        for before, part in pairwise(parts):
            shared = _num_shared(before, part)
            starts.append(starts[-1] + len(before) - shared)
            whole.append(part[shared:])
        sizes = [len(part) for part in parts]
        return cls(
            spans=np.concatenate(whole),
            firsts=np.array([places[0] if len(places) else 0 for places in inner], dtype=np.int64),
            starts=np.array(starts, dtype=np.int64),
            ends=np.array(starts, dtype=np.int64) + sizes,
            is_cut=encodings[-1].truncated > 0,
        )

    def __len__(self) -> int:
        return len(self.spans)

    @cached_property
    def cuts(self) -> NDArray[np.int64]:
        """Window w answers for the tokens cuts[w] to cuts[w + 1], which are nowhere farther from an edge."""
        shared = self.ends[:-1] - self.starts[1:]
        return np.concatenate([[0], self.starts[1:] + (shared + 1) // 2, [len(self)]])

    @cached_property
    def takes_part(self) -> NDArray[np.bool_]:
        """False for a token of the same characters as the one before, which no border can tell apart."""
        return np.append(True, (self.spans[1:] != self.spans[:-1]).any(axis=1))[: len(self)]

    @cached_property
    def ranks(self) -> NDArray[np.int64]:
        """How many tokens that take part stand before each; of one that does not, the place of its like."""
        return np.cumsum(self.takes_part) - 1

    def place(self, start: int, end: int) -> tuple[int, int] | str:
        """The first and last token of a stretch of characters, or why there are none."""
        begins, ends = self.spans[:, 0], self.spans[:, 1]
        first = int(np.searchsorted(begins, start, side="left"))
        last = int(np.searchsorted(ends, end, side="right")) - 1
        if self.is_cut and (not len(self) or end > ends[-1]):
            return CUT_OFF
        if (first > 0 and ends[first - 1] > start) or (last + 1 < len(self) and begins[last + 1] < end):
            return INSIDE_A_TOKEN
        if first > last:
            return NO_TOKEN
        return (first, last) if (begins[first], ends[last]) == (start, end) else BARE_BORDER

    def merge(self, outputs: Sequence[NDArray[np.floating]]) -> NDArray[np.floating]:
        """The rows of the text's tokens, each from the window that answers for it.

        Args:
            outputs: of each window, a row for each of its tokens, special ones too.
        """
        shifts = self.firsts - self.starts
        return np.concatenate(
            [
                rows[shift + begin : shift + end]
                for rows, shift, begin, end in zip(
                    outputs, shifts, self.cuts[:-1], self.cuts[1:], strict=True
                )
            ]
        )

    def window(self, values: NDArray[np.int64], number: int, length: int, *, fill: int) -> NDArray[np.int64]:
        """What stands at a window's tokens.

        Args:
            values: of the text's tokens, shape (T,).
            number: which window.
            length: its tokens, special ones too.
            fill: what these get.
        """
        row = np.full(length, fill, dtype=np.int64)
        first, start, end = (int(of[number]) for of in (self.firsts, self.starts, self.ends))
        row[first : first + end - start] = values[start:end]
        return row

    def best_window(self, firsts: NDArray[np.int64], lasts: NDArray[np.int64]) -> NDArray[np.int64]:
        """In which window each stretch is whole and farthest from an edge; -1: in none. Shape (M,)."""
        room = np.minimum(firsts[:, None] - self.starts, self.ends - 1 - lasts[:, None])
        return np.where(room.max(axis=1) >= 0, room.argmax(axis=1), -1)


def _num_shared(before: NDArray[np.int32], part: NDArray[np.int32]) -> int:
    """How many last tokens of a window are the first of the next."""
    begin = int(np.searchsorted(before[:, 0], part[0, 0], side="left"))
    while not np.array_equal(before[begin:], part[: len(before) - begin]):
        begin += 1
    return len(before) - begin
