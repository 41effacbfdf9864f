"""Runs of letters and digits: cut once each, remembered, and found again many at a time.

R runs. Text repeats its words, so nearly every run was met before. Short ones in ASCII fit into two machine
words, and a table indexed by those finds all of a batch in a few passes of numpy; the others, and new ones,
go through a dictionary.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from erya.tokenizer.stretches import ranges

# (id, start, end, word) of each token of a run, counted from the run's start; words from 0 without a gap.
RunTokens = list[tuple[int, int, int, int]]

_SLOT_BITS = 17
_MAX_PACKED = 15
_HIGH_BITS = np.uint64(0x8080808080808080)
# For a run of n letters, which bytes of its two machine words count; the last byte of the second is n.
_LOW_MASKS = np.array([(1 << 8 * min(n, 8)) - 1 for n in range(_MAX_PACKED + 1)], dtype=np.uint64)
_HIGH_MASKS = np.array([(1 << 8 * max(n - 8, 0)) - 1 for n in range(_MAX_PACKED + 1)], dtype=np.uint64)
_LENGTHS = np.arange(_MAX_PACKED + 1, dtype=np.uint64) << np.uint64(56)


@dataclass(frozen=True, slots=True)
class CutRuns:
    """The tokens of R runs. K is the number of tokens of all of them.

    Attributes:
        num_tokens: how many each has, int32, shape (R,).
        wide: whether tokens of a run share a character, so that they cannot be told apart by where they
            start, bool, shape (R,).
        ids: of the tokens end to end, int32, shape (K,).
        starts: where each starts, counted from its run's start, int32, shape (K,).
        more: how many characters more than one each takes, int32, shape (K,).
        continues: whether a token goes on with the word of the one before, int32, shape (K,).
    """

    num_tokens: NDArray[np.int32]
    wide: NDArray[np.bool_]
    ids: NDArray[np.int32]
    starts: NDArray[np.int32]
    more: NDArray[np.int32]
    continues: NDArray[np.int32]


class RunTable:
    """Remembers how runs were cut; forgets everything when that grows large.

    Args:
        cut: how to cut a run.
    """

    MAX_RUNS = 1 << 18
    MAX_TOKENS = 1 << 20
    # A run of any length may be one token, the unknown one.
    MAX_CHARACTERS = 1 << 24

    def __init__(self, cut: Callable[[str], RunTokens]) -> None:
        self._cut = cut
        self._lock = threading.Lock()
        self._heads = np.zeros((1024, 4), dtype=np.int32)
        self._columns = np.zeros((4096, 4), dtype=np.int32)
        self._forget()

    def _forget(self) -> None:
        self._index: dict[str, int] = {}
        self._num_tokens = self._num_characters = 0
        self._packed = np.zeros((1 << _SLOT_BITS, 2), dtype=np.uint64)
        self._rows = np.zeros(1 << _SLOT_BITS, dtype=np.int32)

    def __call__(
        self, text: str, codes: NDArray[np.int32], starts: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> CutRuns:
        """Cut the runs that stand at these places.

        Args:
            text: what they stand in, C code points.
            codes: its code points, shape (C,).
            starts, ends: where they stand, shape (R,).
        """
        packed, packs = _pack(codes, starts, ends)
        slots = _slots(packed)
        with self._lock:
            if self._is_large():
                self._forget()
            rows = self._rows.take(slots)
            there = self._packed.take(slots, axis=0)
            other = (there[:, 0] != packed[:, 0]) | (there[:, 1] != packed[:, 1])
            missed = np.flatnonzero(other | ~packs)
            if len(missed):
                rows[missed] = self._look_up(text, starts[missed], ends[missed])
                new = missed[packs[missed]]
                self._packed[slots[new]], self._rows[slots[new]] = packed[new], rows[new]
            return self._gather(rows)

    def _is_large(self) -> bool:
        return (
            len(self._index) > self.MAX_RUNS
            or self._num_tokens > self.MAX_TOKENS
            or self._num_characters > self.MAX_CHARACTERS
        )

    def _look_up(self, text: str, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int32]:
        runs = [text[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
        new = [run for run in dict.fromkeys(runs) if run not in self._index]
        if new:
            self._add(new)
        return np.fromiter(map(self._index.__getitem__, runs), dtype=np.int32, count=len(runs))

    def _add(self, runs: list[str]) -> None:
        cut = [self._cut(run) for run in runs]
        values = itertools.chain.from_iterable(itertools.chain.from_iterable(cut))
        tokens = np.fromiter(values, dtype=np.int32).reshape(-1, 4).T
        row, first = len(self._index), self._num_tokens
        num_tokens = np.fromiter(map(len, cut), dtype=np.int32, count=len(cut))
        _, starts, ends, words = tokens
        owners = np.repeat(np.arange(len(cut)), num_tokens)
        goes_on = owners[1:] == owners[:-1]
        heads = np.zeros((len(cut), 4), dtype=np.int32)
        heads[:, 0] = first + np.cumsum(num_tokens) - num_tokens
        heads[:, 1] = num_tokens
        heads[owners[1:][goes_on & (starts[1:] <= starts[:-1])], 2] = True
        columns = np.stack([tokens[0], starts, ends - starts - 1, np.zeros_like(starts)], axis=1)
        columns[1:, 3] = goes_on & (words[1:] == words[:-1])
        self._heads = _put(self._heads, row, heads)
        self._columns = _put(self._columns, first, columns)
        self._num_tokens += tokens.shape[1]
        self._num_characters += sum(map(len, runs))
        self._index.update(zip(runs, range(row, row + len(runs)), strict=True))

    def _gather(self, rows: NDArray[np.int32]) -> CutRuns:
        firsts, num_tokens, wide = self._heads.take(rows, axis=0).T[:3]
        tokens = ranges(firsts, num_tokens)
        return CutRuns(num_tokens, wide != 0, *self._columns.take(tokens, axis=0).T)


def _put(table: NDArray[np.int32], at: int, rows: NDArray[np.int32]) -> NDArray[np.int32]:
    """The table with `rows` written from row `at` on, made longer if it must be."""
    end = at + len(rows)
    if end > len(table):
        more = np.zeros((max(end, 2 * len(table)) - len(table), table.shape[1]), dtype=np.int32)
        table = np.concatenate([table, more])
    table[at:end] = rows
    return table


def _pack(
    codes: NDArray[np.int32], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Each run in two machine words, shape (R, 2), and whether it fits, shape (R,)."""
    letters = np.full(len(codes) + 16, 0x80, dtype=np.uint8)
    np.minimum(codes, 0x80, out=letters[: len(codes)], casting="unsafe")
    # The eight bytes from every place on.
    windows: NDArray[np.uint64] = np.ndarray((len(codes) + 9,), np.uint64, letters.data, strides=(1,))
    lengths = ends - starts
    short = np.minimum(lengths, _MAX_PACKED)
    packed = np.empty((len(starts), 2), dtype=np.uint64)
    packed[:, 0] = windows[starts] & _LOW_MASKS.take(short)
    packed[:, 1] = windows[starts + 8] & _HIGH_MASKS.take(short)
    packs = ((packed[:, 0] | packed[:, 1]) & _HIGH_BITS == 0) & (lengths <= _MAX_PACKED)
    packed[:, 1] |= _LENGTHS.take(short)
    return packed, packs


def _slots(packed: NDArray[np.uint64]) -> NDArray[np.int64]:
    mixed = packed[:, 0] * np.uint64(0x9E3779B97F4A7C15) ^ packed[:, 1] * np.uint64(0xC2B2AE3D27D4EB4F)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return (mixed >> np.uint64(64 - _SLOT_BITS)).view(np.int64)
