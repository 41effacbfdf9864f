"""Answers as tokens: where one begins and ends among the tokens of a context, or why it cannot.

T tokens of a context, W windows over it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from erya.tokenizer.encoding import Encoding

INSIDE_A_TOKEN = "begin or end inside a token"
NO_TOKEN = "have no token"
IN_NO_WINDOW = "are whole in no window (a greater stride or max_length holds them)"
OUT_OF_PLACE = "are not where the file says"
TRIMMED = "have white space or what has no token at a border, which is left out"
# What is told of answers but does not keep them from being learnt.
HARMLESS = frozenset({TRIMMED})


@dataclass(frozen=True, slots=True)
class ContextTokens:
    """The tokens of a whole context, put together from its windows.

    Attributes:
        spans: their characters, ascending, shape (T, 2).
        offsets: of each window, what is to be added to the number of a token of the context to get the token
            of the window, shape (W,).
        bounds: of each window, the tokens that are the context's, a half-open range, shape (W, 2).
    """

    spans: NDArray[np.int32]
    offsets: NDArray[np.int64]
    bounds: NDArray[np.int64]

    @classmethod
    def of(cls, encodings: Sequence[Encoding], owned_W2: NDArray[np.int64]) -> ContextTokens:
        """Put windows together.

        Args:
            encodings: pairs of a question and a part of the context, the windows of one context.
            owned_W2: the tokens each has that count, see `erya.tasks.windows.Window`.
        """
        # Of a pair whose context has no token it is the question that is owned.
        parts = [
            e.spans[start:end][e.text_ids[start:end] == 1]
            for e, (start, end) in zip(encodings, owned_W2.tolist(), strict=True)
        ]
        before = np.cumsum([0, *map(len, parts)])[:-1]
        inside = [np.flatnonzero(encoding.text_ids == 1) for encoding in encodings]
        bounds = [(int(places[0]), int(places[-1]) + 1) if len(places) else (0, 0) for places in inside]
        return cls(np.concatenate(parts), owned_W2[:, 0] - before, np.array(bounds, dtype=np.int64))

    def place(self, start: int, end: int) -> tuple[int, int] | str:
        """The first and last token of a stretch of characters, or why there are none.

        White space has no token, so at a border it is left out.
        """
        begins, ends = self.spans[:, 0], self.spans[:, 1]
        first = int(np.searchsorted(begins, start, side="left"))
        last = int(np.searchsorted(ends, end, side="right")) - 1
        if (first > 0 and ends[first - 1] > start) or (last + 1 < len(begins) and begins[last + 1] < end):
            return INSIDE_A_TOKEN
        return (first, last) if first <= last else NO_TOKEN

    def in_windows(self, first: int, last: int) -> NDArray[np.int64]:
        """The first and last token in each window; (0, 0) where a window does not hold all. Shape (W, 2)."""
        tokens = np.array([first, last]) + self.offsets[:, None]
        whole = (tokens[:, 0] >= self.bounds[:, 0]) & (tokens[:, 1] < self.bounds[:, 1])
        return np.where(whole[:, None], tokens, 0)


def first_placed(
    places: Sequence[tuple[int, int]], tokens: ContextTokens
) -> tuple[NDArray[np.int64] | None, str | None]:
    """The first of several answers that can be learnt.

    Args:
        places: of the answers, in characters, as far as known.
        tokens: of the context.
    Returns:
        Its tokens in each window, shape (W, 2), or None where no answer can be learnt; and what is to be told
        of it, or of the first that cannot.
    """
    reasons: list[str] = []
    for start, end in places:
        placed = tokens.place(start, end)
        if isinstance(placed, str):
            reasons.append(placed)
            continue
        targets = tokens.in_windows(*placed)
        if not targets.any():
            reasons.append(IN_NO_WINDOW)
            continue
        is_whole = (tokens.spans[placed[0], 0], tokens.spans[placed[1], 1]) == (start, end)
        return targets, None if is_whole else TRIMMED
    return None, reasons[0] if reasons else OUT_OF_PLACE
