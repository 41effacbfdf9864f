"""The fast path: every character of a batch looked up at once.

Nearly all Chinese text is characters that are tokens of their own, and one numpy pass over the code
points finds them. What is left are runs (words of letters, numbers), which `runs` cuts. Every token is
written at the place it starts at; the places written to, in order, are the tokens. C code points, N tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from erya.tokenizer.characters import RUN, PageTable
from erya.tokenizer.encoding import FlatPieces
from erya.tokenizer.finder import Found
from erya.tokenizer.joined import Joined
from erya.tokenizer.runs import CutRuns, RunTable, RunTokens
from erya.tokenizer.stretches import bounds_of, ranges


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
        def page(number: int) -> NDArray[np.int32]:
            of_page = kinds(number)
            return np.where(of_page >= 0, ids_of[of_page], of_page).astype(np.int32)

        self._values = PageTable(page)
        self._runs = RunTable(cut_run)

    def __call__(self, joined: Joined, found: Found | None = None) -> FlatPieces:
        """Tokenise texts.

        Args:
            joined: the texts.
            found: the added tokens in them.
        Returns:
            The tokens of all texts.
        """
        # For each code point the id of the token that starts there; anything below 0 starts none.
        values = self._values(joined.codes)
        # How many more characters than one a token takes, and whether it goes on with the word before.
        more = np.zeros(len(values), dtype=np.int32)
        continues = np.zeros(len(values), dtype=np.bool_)
        if found is not None:
            found.write(values, more)
        run_starts, run_ends = _runs(values)
        runs = self._runs(joined.text, joined.codes, run_starts, run_ends) if len(run_starts) else None
        if runs is not None:
            _write(runs, run_starts, values, more, continues)

        starts = np.flatnonzero(values >= 0)
        bounds = np.searchsorted(starts, joined.starts)
        tokens = _Tokens(values.take(starts), starts, starts + 1 + more.take(starts), continues.take(starts))
        if runs is not None and runs.wide.any():
            tokens, bounds = _widen(tokens, bounds, runs, run_starts)
        return tokens.by_text(joined.starts, bounds)


@dataclass(frozen=True, slots=True)
class _Tokens:
    """N tokens of all texts, their places counted from the start of the first text."""

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    continues: NDArray[np.bool_]

    def by_text(self, text_starts: NDArray[np.int64], bounds: NDArray[np.int64]) -> FlatPieces:
        """The same with places and words counted from the start of each text."""
        counts = np.diff(bounds)
        shift = np.repeat(text_starts[:-1].astype(np.int32), counts)
        spans = np.empty((len(self.ids), 2), dtype=np.int32)
        np.subtract(self.starts, shift, out=spans[:, 0], casting="unsafe")
        np.subtract(self.stops, shift, out=spans[:, 1], casting="unsafe")
        words = np.cumsum(~self.continues, dtype=np.int32)
        # The first token of a text begins a word. A text without tokens asks nobody.
        firsts = np.append(words, 0).take(bounds[:-1])
        words -= np.repeat(firsts, counts)
        return FlatPieces(self.ids, spans, words, bounds)


def _runs(values: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where runs start and end (half-open)."""
    in_run = np.zeros(len(values) + 2, dtype=np.bool_)
    np.equal(values, RUN, out=in_run[1:-1])
    edges = np.flatnonzero(in_run[1:] != in_run[:-1])
    return edges[::2], edges[1::2]


def _write(
    runs: CutRuns,
    run_starts: NDArray[np.int64],
    values: NDArray[np.int32],
    more: NDArray[np.int32],
    continues: NDArray[np.bool_],
) -> None:
    """Write the tokens of runs where they start; of a wide run only one, to be replaced."""
    places = np.repeat(run_starts, runs.num_tokens) + runs.starts
    if runs.wide.any():
        narrow = np.repeat(~runs.wide, runs.num_tokens)
        places = places[narrow]
        values[places], more[places] = runs.ids[narrow], runs.more[narrow]
        continues[places] = runs.continues[narrow]
        values[run_starts[runs.wide]] = 0
        return
    values[places], more[places], continues[places] = runs.ids, runs.more, runs.continues


def _widen(
    tokens: _Tokens, bounds: NDArray[np.int64], runs: CutRuns, run_starts: NDArray[np.int64]
) -> tuple[_Tokens, NDArray[np.int64]]:
    """Put the tokens of wide runs in place of the one that stands for each."""
    at = np.searchsorted(tokens.starts, run_starts[runs.wide])
    counts = np.ones(len(tokens.ids), dtype=np.int64)
    counts[at] = runs.num_tokens[runs.wide]
    new_bounds = bounds_of(counts)
    slots = ranges(new_bounds[at], counts[at])
    inside = np.repeat(runs.wide, runs.num_tokens)
    places = np.repeat(run_starts, runs.num_tokens)[inside] + runs.starts[inside]
    ids, continues = np.repeat(tokens.ids, counts), np.repeat(tokens.continues, counts)
    starts, stops = np.repeat(tokens.starts, counts), np.repeat(tokens.stops, counts)
    ids[slots], starts[slots] = runs.ids[inside], places
    stops[slots], continues[slots] = places + 1 + runs.more[inside], runs.continues[inside]
    return _Tokens(ids, starts, stops, continues), new_bounds[bounds]
