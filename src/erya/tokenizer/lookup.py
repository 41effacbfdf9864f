"""The fast path: every character of a batch looked up at once.

Nearly all Chinese text is characters that are tokens of their own, and one numpy pass over the code
points finds them. What is left are runs (words of letters, numbers), which are cut once each and
remembered. C code points, I items (characters that stand alone, and runs), N tokens.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from erya.tokenizer.characters import NUM_PAGES, PAGE_SIZE, RUN, SPACE, UNKNOWN_PAGE
from erya.tokenizer.encoding import FlatPieces

# (id, start, end, word) of each token of a run, counted from the run's start; and how many words it has.
RunTokens = tuple[list[tuple[int, int, int, int]], int]
Found = tuple[int, int, int]


class Lookup:
    """Texts to tokens.

    Args:
        kinds: what each code point of a page is: see `characters`; int32, shape (4096,).
        ids_of: for each code point its id in the vocabulary or the unknown one, int32, shape (0x110000,).
        cut_run: how to cut a run.
    """

    def __init__(
        self,
        *,
        kinds: Callable[[int], NDArray[np.int32]],
        ids_of: NDArray[np.int32],
        cut_run: Callable[[str], RunTokens],
    ) -> None:
        self._kinds, self._ids_of = kinds, ids_of
        self._table = np.full(NUM_PAGES * PAGE_SIZE, UNKNOWN_PAGE, dtype=np.int32)
        self._runs = _RunTable(cut_run)

    def __call__(self, texts: Sequence[str], found: Sequence[Iterable[Found]] | None = None) -> FlatPieces:
        """Tokenise `texts`.

        Args:
            texts: any strings.
            found: for each text, the added tokens in it as (id, start, end), in order, not touching.
        Returns:
            The tokens of all texts.
        """
        lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
        text_starts = np.zeros(len(texts) + 1, dtype=np.int64)
        np.cumsum(lengths + 1, out=text_starts[1:])
        # A space between two texts: no run, no mark and no word reaches across it.
        joined = " ".join(texts) + " " if texts else ""
        values = self._values(joined)
        ends = _place_found(values, found, text_starts) if found is not None else {}
        return self._tokens(joined, values, text_starts, ends)

    def _values(self, joined: str) -> NDArray[np.int32]:
        """For each code point its id if it stands alone, SPACE or RUN, int32, shape (C,)."""
        codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.int32)
        values = self._table.take(codes)
        if len(values) and values.min() == UNKNOWN_PAGE:
            for page in np.unique(codes[values == UNKNOWN_PAGE] // PAGE_SIZE):
                self._load(int(page))
            values = self._table.take(codes)
        return values

    def _load(self, page: int) -> None:
        kinds = self._kinds(page)
        first = page * PAGE_SIZE
        self._table[first : first + len(kinds)] = np.where(kinds >= 0, self._ids_of[kinds], kinds)

    def _tokens(
        self, joined: str, values: NDArray[np.int32], text_starts: NDArray[np.int64], ends: dict[int, int]
    ) -> FlatPieces:
        run_starts, run_ends = _runs(values)
        is_item = values >= 0
        is_item[run_starts] = True
        places = np.flatnonzero(is_item)
        ids = values[places]
        run_items = np.flatnonzero(ids < 0)
        runs = self._runs.tokens(joined, run_starts, run_ends)

        num_tokens = np.ones(len(places), dtype=np.int64)
        num_tokens[run_items] = runs.num_tokens
        num_words = np.ones(len(places), dtype=np.int32)
        num_words[run_items] = runs.num_words
        token_bounds = _bounds(num_tokens)
        word_bounds = _bounds(num_words)

        ids = np.repeat(ids, num_tokens)
        starts = np.repeat(places, num_tokens)
        stops = starts + 1
        words = np.repeat(word_bounds[:-1], num_tokens)
        slots = _ranges(token_bounds[run_items], runs.num_tokens)
        ids[slots] = runs.ids
        stops[slots] = starts[slots] + runs.ends
        starts[slots] += runs.starts
        words[slots] += runs.words
        if ends:
            at = np.fromiter(ends, dtype=np.int64, count=len(ends))
            slots = token_bounds[np.searchsorted(places, at)]
            stops[slots] = np.fromiter(ends.values(), dtype=np.int64, count=len(ends))

        first_items = np.searchsorted(places, text_starts)
        bounds = token_bounds[first_items]
        per_text = np.diff(bounds)
        shift = np.repeat(text_starts[:-1], per_text)
        spans = np.empty((len(ids), 2), dtype=np.int32)
        np.subtract(starts, shift, out=spans[:, 0], casting="unsafe")
        np.subtract(stops, shift, out=spans[:, 1], casting="unsafe")
        words -= np.repeat(word_bounds[first_items[:-1]], per_text)
        return FlatPieces(ids, spans, words.astype(np.int32), bounds)


def _place_found(
    values: NDArray[np.int32], found: Sequence[Iterable[Found]], text_starts: NDArray[np.int64]
) -> dict[int, int]:
    """Write added tokens over the characters they take; gives where each that begins at a place ends."""
    ends = {}
    for offset, in_text in zip(text_starts.tolist(), found, strict=False):
        for id, start, end in in_text:
            values[offset + start + 1 : offset + end] = SPACE
            values[offset + start] = id
            ends[offset + start] = offset + end
    return ends


def _runs(values: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where runs start and end (half-open)."""
    in_run = np.zeros(len(values) + 2, dtype=np.int8)
    in_run[1:-1] = values == RUN
    edges = np.flatnonzero(in_run[1:] != in_run[:-1])
    return edges[::2], edges[1::2]


def _bounds(counts: NDArray[np.integer]) -> NDArray[np.int64]:
    bounds = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=bounds[1:])
    return bounds


def _ranges(firsts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The ranges of `counts` whole numbers from `firsts`, end to end."""
    bounds = _bounds(counts)
    return np.arange(bounds[-1]) + np.repeat(firsts - bounds[:-1], counts)


class _Runs:
    """The tokens of R runs: num_tokens and num_words of each; ids, starts, ends, words of all, end to end."""

    __slots__ = ("ends", "ids", "num_tokens", "num_words", "starts", "words")

    def __init__(self, heads: NDArray[np.int64], columns: NDArray[np.int32]) -> None:
        self.num_tokens, self.num_words = heads[:, 1], heads[:, 2]
        columns = columns[_ranges(heads[:, 0], self.num_tokens)]
        self.ids, self.starts, self.ends, self.words = columns.T


class _RunTable:
    """Remembers how runs were cut; forgets everything when that grows large."""

    MAX_RUNS = 1 << 18
    MAX_TOKENS = 1 << 20

    def __init__(self, cut_run: Callable[[str], RunTokens]) -> None:
        self._cut = cut_run
        self._lock = threading.Lock()
        self._index: dict[str, int] = {}
        self._heads = np.zeros((1024, 3), dtype=np.int64)
        self._columns = np.zeros((4096, 4), dtype=np.int32)
        self._num_tokens = 0

    def tokens(self, joined: str, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> _Runs:
        """The tokens of the runs that stand at these places of `joined`."""
        runs = [joined[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
        with self._lock:
            if self._num_tokens > self.MAX_TOKENS or len(self._index) > self.MAX_RUNS:
                self._index, self._num_tokens = {}, 0
            index = self._index
            for run in set(runs).difference(index):
                self._add(run)
            rows = np.fromiter(map(index.__getitem__, runs), dtype=np.int64, count=len(runs))
            return _Runs(self._heads.take(rows, axis=0), self._columns)

    def _add(self, run: str) -> None:
        tokens, num_words = self._cut(run)
        row, end = len(self._index), self._num_tokens + len(tokens)
        if row == len(self._heads):
            self._heads = np.concatenate([self._heads, np.zeros_like(self._heads)])
        while end > len(self._columns):
            self._columns = np.concatenate([self._columns, np.zeros_like(self._columns)])
        self._heads[row] = self._num_tokens, len(tokens), num_words
        if tokens:
            self._columns[self._num_tokens : end] = tokens
        self._num_tokens = end
        self._index[run] = row
