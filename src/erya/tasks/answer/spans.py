"""The likeliest spans of windows over a context: exact within the longest answer allowed, numpy only.

n tokens of a window, M of them of the context.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# A span of characters and the logarithm of its probability.
Found = tuple[int, int, float]
# Starts from which spans are looked at first.
_LIKELY = 8


@dataclass(frozen=True, slots=True)
class WindowScores:
    """What a network says of one window; of one without the answer, that its first token is the likeliest.

    Attributes:
        starts: logarithm of the probability that the answer begins there, float64, shape (M,).
        ends: likewise that it ends there, shape (M,).
        spans: characters of the tokens in the context, ascending, shape (M, 2).
        nothing: logarithm of the probability that the window holds no answer.
    """

    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    spans: NDArray[np.int32]
    nothing: float

    @classmethod
    def of(
        cls, logits_n2: NDArray[np.floating], spans_n2: NDArray[np.int32], inside_n: NDArray[np.bool_]
    ) -> WindowScores:
        """Probabilities over the tokens an answer may touch and the first one, which stands for none.

        Args:
            logits_n2: of beginning and of ending, shape (n, 2).
            spans_n2: characters of all tokens, shape (n, 2).
            inside_n: whether a token is the context's; those stand side by side.
        """
        allowed = inside_n.copy()
        allowed[0] = True
        logits = logits_n2.astype(np.float64)
        kept = logits[allowed]
        peak = kept.max(axis=0)
        log_probs = logits - (peak + np.log(np.exp(kept - peak).sum(axis=0)))
        return cls(
            starts=log_probs[inside_n, 0],
            ends=log_probs[inside_n, 1],
            spans=spans_n2[inside_n],
            nothing=float(log_probs[0].sum()),
        )

    def best(self, number: int, *, max_length: int, banned: Sequence[tuple[int, int]] = ()) -> list[Found]:
        """The likeliest spans, the best first.

        Args:
            number: so many at most.
            max_length: most characters of a span.
            banned: characters that no span may touch, half-open ranges.
        """
        last = self._last_ends(max_length, banned)
        starts, ends = self._whole_starts(), self._whole_ends()
        starts[last < np.arange(len(last))] = -np.inf
        if not np.isfinite(starts).any():
            return []
        bar = _bar(starts, ends, last, number)
        # No other span can reach the bar.
        begins = np.flatnonzero(np.isfinite(starts) & (starts + ends.max() >= bar))
        finals = np.flatnonzero(np.isfinite(ends) & (ends + starts.max() >= bar))
        scores = starts[begins, None] + ends[finals]
        scores[(finals < begins[:, None]) | (finals > last[begins, None])] = -np.inf
        flat = scores.ravel()
        # Of spans that just reach it, of which there may be very many, the first will do.
        level = np.flatnonzero((flat == bar) & np.isfinite(flat))[:number]
        chosen = np.concatenate([np.flatnonzero(flat > bar), level])
        chosen = chosen[np.lexsort((chosen, -flat[chosen]))][:number]
        rows, columns = np.divmod(chosen, len(finals))
        return list(
            zip(
                self.spans[begins[rows], 0].tolist(),
                self.spans[finals[columns], 1].tolist(),
                flat[chosen].tolist(),
                strict=True,
            )
        )

    def _last_ends(self, max_length: int, banned: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
        """The last token with which a span from each token on may end; before it where there is none."""
        begins, ends = self.spans[:, 0], self.spans[:, 1]
        last = np.searchsorted(ends, begins + max_length, side="right") - 1
        for start, end in banned:
            first, behind = np.searchsorted(ends, start, side="right"), np.searchsorted(begins, end)
            last[:first] = np.minimum(last[:first], first - 1)
            last[first:behind] = -1
        return last

    def _whole_starts(self) -> NDArray[np.float64]:
        """Of tokens that share a character (one letter, several pieces) only the first begins a span."""
        shared = np.zeros(len(self.spans), dtype=bool)
        shared[1:] = self.spans[1:, 0] == self.spans[:-1, 0]
        return np.where(shared, -np.inf, self.starts)

    def _whole_ends(self) -> NDArray[np.float64]:
        """Of tokens that share a character only the last ends a span."""
        shared = np.zeros(len(self.spans), dtype=bool)
        shared[:-1] = self.spans[1:, 1] == self.spans[:-1, 1]
        return np.where(shared, -np.inf, self.ends)


def _bar(
    starts: NDArray[np.float64], ends: NDArray[np.float64], last: NDArray[np.int64], number: int
) -> float:
    """A score that at least `number` spans reach: found among those from the likeliest starts."""
    likely = np.argsort(-starts)[:_LIKELY]
    likely = likely[np.isfinite(starts[likely])]
    places = likely[:, None] + np.arange(int((last[likely] - likely).max()) + 1)
    inside = places <= last[likely, None]
    scores = (starts[likely, None] + ends[np.minimum(places, len(ends) - 1)])[inside]
    scores = scores[np.isfinite(scores)]
    return float(np.partition(scores, -number)[-number]) if len(scores) >= number else -np.inf


def best_spans(
    windows: Sequence[WindowScores], *, number: int, max_length: int, overlapping: bool
) -> list[Found]:
    """The likeliest spans over all windows of a context, each once, with its best window's probability.

    Args:
        windows: of one context.
        number: so many at most.
        max_length: most characters of a span.
        overlapping: whether spans may share characters; otherwise one that shares any with a likelier one is
            left out.
    """
    if overlapping:
        found = (window.best(number, max_length=max_length) for window in windows)
        return _merged(span for spans in found for span in spans)[:number]
    chosen: list[Found] = []
    heads = [window.best(1, max_length=max_length) for window in windows]
    while best := _merged(span for head in heads for span in head):
        chosen.append(best[0])
        if len(chosen) == number:
            break
        banned = [(start, end) for start, end, _ in chosen]
        for place, head in enumerate(heads):
            if head and head[0][0] < best[0][1] and best[0][0] < head[0][1]:
                heads[place] = windows[place].best(1, max_length=max_length, banned=banned)
    return chosen


def _merged(found: Iterable[Found]) -> list[Found]:
    """Each span once, the likeliest first, of equally likely ones the first in the text."""
    best: dict[tuple[int, int], float] = {}
    for start, end, score in found:
        best[start, end] = max(score, best.get((start, end), score))
    return sorted(((*span, score) for span, score in best.items()), key=lambda row: (-row[2], row[0], row[1]))
