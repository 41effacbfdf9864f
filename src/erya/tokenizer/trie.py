"""Many words looked for at all places of a text at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

_NUM_CODES = 0x110000
_CODE_BITS = 21
_EMPTY = -2


class Trie:
    """A tree of words whose edges lie in arrays, so that numpy walks it from many places in step.

    Args:
        words: W different words, each of at least one code point.
    """

    def __init__(self, words: Iterable[Sequence[int]]) -> None:
        edges: dict[int, int] = {}
        word_at: dict[int, int] = {}
        self._longest = 0
        for number, word in enumerate(words):
            node = 0
            for code in word:
                node = edges.setdefault(node << _CODE_BITS | code, len(edges) + 1)
            word_at[node] = number
            self._longest = max(self._longest, len(word))
        self._word_of = np.full(len(edges) + 1, -1, dtype=np.int64)
        self._word_of[list(word_at)] = list(word_at.values())
        # One place more than there are code points: the last, which -1 looks up.
        self._roots = np.zeros(_NUM_CODES + 1, dtype=np.int32)
        for key, node in edges.items():
            if key < _NUM_CODES:
                self._roots[key] = node
        self._edges = _HashTable({key: node for key, node in edges.items() if key >> _CODE_BITS})

    def find(
        self, units: NDArray[np.int32]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """The words in `units`: leftmost first, of those that begin together the longest.

        Args:
            units: code points, -1 for what no word reaches over, shape (C,).
        Returns:
            Start, end (half-open) and number of each word found, in order, none overlapping, shape (F,) each.
        """
        starts, ends, which = self._longest_words(units)
        kept = _leftmost(starts, ends)
        return starts[kept], ends[kept], which[kept]

    def _longest_words(
        self, units: NDArray[np.int32]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        roots = self._roots.take(units)
        starts = np.flatnonzero(roots)
        nodes: NDArray[np.int64] = roots.take(starts).astype(np.int64)
        ends, which = starts + 1, self._word_of.take(nodes)
        padded = np.append(units, np.full(self._longest, -1, dtype=np.int32))
        walking = np.arange(len(starts))
        for depth in range(1, self._longest):
            nodes = self._edges.get(nodes << _CODE_BITS | padded.take(starts.take(walking) + depth))
            going = np.flatnonzero(nodes)
            if not len(going):
                break
            nodes, walking = nodes.take(going), walking.take(going)
            words = self._word_of.take(nodes)
            whole = np.flatnonzero(words >= 0)
            which[walking[whole]] = words[whole]
            ends[walking[whole]] = starts[walking[whole]] + depth + 1
        real = np.flatnonzero(which >= 0)
        return starts.take(real), ends.take(real), which.take(real)


def _leftmost(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which stretches stay if each gives way to those before it; `starts` ascend, shape (F,)."""
    kept = np.ones(len(starts), dtype=np.bool_)
    # Only where stretches overlap does a choice hang on the one before.
    overlaps = np.zeros(len(starts) + 1, dtype=np.bool_)
    np.less(starts[1:], np.maximum.accumulate(ends)[:-1], out=overlaps[1:-1])
    edges = np.flatnonzero(overlaps[1:] != overlaps[:-1])
    for first, last in zip(edges[::2].tolist(), (edges[1::2] + 1).tolist(), strict=True):
        done = -1
        stretches = zip(starts[first:last].tolist(), ends[first:last].tolist(), strict=True)
        for place, (start, end) in enumerate(stretches, first):
            kept[place] = start >= done
            done = end if start >= done else done
    return kept


class _HashTable:
    """Whole numbers by whole numbers, many at a time: open addressing, at most a quarter full.

    Args:
        values: keys of at least 0, values of at least 1.
    """

    def __init__(self, values: dict[int, int]) -> None:
        bits = max(4, (4 * len(values)).bit_length())
        self._shift, self._last = np.uint64(64 - bits), (1 << bits) - 1
        self._keys = np.full(1 << bits, _EMPTY, dtype=np.int64)
        self._values = np.zeros(1 << bits, dtype=np.int64)
        keys = np.fromiter(values, dtype=np.int64, count=len(values))
        slots, waiting = self._slots(keys), np.arange(len(keys))
        while len(waiting):
            wanted = slots[waiting]
            free = self._keys[wanted] == _EMPTY
            self._keys[wanted[free]] = keys[waiting[free]]
            # Of several that wanted the same place one has got it.
            waiting = waiting[self._keys[wanted] != keys[waiting]]
            slots[waiting] = (slots[waiting] + 1) & self._last
        self._values[slots] = np.fromiter(values.values(), dtype=np.int64, count=len(values))

    def get(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """The values of `keys`, 0 for those that are not here."""
        slots = self._slots(keys)
        there = self._keys.take(slots)
        values = self._values.take(slots)
        others = np.flatnonzero(there != keys)
        values[others] = 0
        others = others[there[others] != _EMPTY]
        while len(others):
            slots[others] = (slots[others] + 1) & self._last
            there = self._keys[slots[others]]
            same = there == keys[others]
            values[others[same]] = self._values[slots[others[same]]]
            others = others[~same & (there != _EMPTY)]
        return values

    def _slots(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        mixed = keys.view(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        return (mixed >> self._shift).view(np.int64)
