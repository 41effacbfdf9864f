"""Many words looked for at all places of a text at once.

C units (code points) are searched for W words; F are found.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from erya.tokenizer.hash_table import HashTable

Stretches = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]

_NUM_CODES = 0x110000
_CODE_BITS = 21
_PAIR_BITS = 18
_FEW = 8


class Trie:
    """A tree of words whose edges lie in arrays, so that numpy walks it from many places in step.

    Args:
        words: W different words, each of at least one code point.
    """

    def __init__(self, words: Sequence[Sequence[int]]) -> None:
        edges: dict[int, int] = {}
        word_at: dict[int, int] = {}
        for number, word in enumerate(words):
            node = 0
            for code in word:
                node = edges.setdefault(node << _CODE_BITS | code, len(edges) + 1)
            word_at[node] = number
        self._longest = max(map(len, words), default=0)
        self._word_of = np.full(len(edges) + 1, -1, dtype=np.int64)
        self._word_of[list(word_at)] = list(word_at.values())
        # One place more than there are code points: the last, which -1 looks up.
        self._roots = np.zeros(_NUM_CODES + 1, dtype=np.int32)
        roots = {key: node for key, node in edges.items() if key < _NUM_CODES}
        self._roots[list(roots)] = list(roots.values())
        self._edges = HashTable({key: node for key, node in edges.items() if key >> _CODE_BITS})
        self._has_children = np.zeros(len(edges) + 1, dtype=np.bool_)
        self._has_children[[key >> _CODE_BITS for key in edges]] = True
        self._has_single = any(len(word) == 1 for word in words)
        pairs = np.array([word[:2] for word in words if len(word) > 1], dtype=np.int32).reshape(-1, 2)
        self._may_begin = np.zeros(1 << _PAIR_BITS, dtype=np.bool_)
        self._may_begin[_pair_hash(pairs[:, 0], pairs[:, 1])] = True

    def find(self, units: NDArray[np.int32]) -> Stretches:
        """The words in `units`: leftmost first, of those that begin together the longest.

        Args:
            units: code points, -1 for what no word reaches over, int32, shape (C,).
        Returns:
            Start, end (half-open) and number of each word found, in order, none overlapping, shape (F,) each.
        """
        if not self._longest:
            nothing = np.zeros(0, dtype=np.int64)
            return nothing, nothing, nothing
        starts, ends, which = self._longest_words(units)
        kept = _leftmost(starts, ends)
        return starts.take(kept), ends.take(kept), which.take(kept)

    def _longest_words(self, units: NDArray[np.int32]) -> Stretches:
        padded = np.append(units, np.full(self._longest, -1, dtype=np.int32))
        starts = self._candidates(units, padded[1 : len(units) + 1])
        nodes: NDArray[np.int64] = self._roots.take(units.take(starts)).astype(np.int64)
        ends, which = starts + 1, self._word_of.take(nodes)
        walking, at = np.arange(len(starts)), starts
        for depth in range(1, self._longest):
            going, nodes = self._edges.get(nodes << _CODE_BITS | padded.take(at + depth))
            if not len(going):
                break
            walking, at = walking.take(going), at.take(going)
            words = self._word_of.take(nodes)
            whole = np.flatnonzero(words >= 0)
            which[walking[whole]] = words[whole]
            ends[walking[whole]] = at[whole] + depth + 1
            inner = np.flatnonzero(self._has_children.take(nodes))
            walking, at, nodes = walking.take(inner), at.take(inner), nodes.take(inner)
        real = np.flatnonzero(which >= 0)
        return starts.take(real), ends.take(real), which.take(real)

    def _candidates(self, units: NDArray[np.int32], following: NDArray[np.int32]) -> NDArray[np.int64]:
        """Where a word may begin by the look of two units: nearly all others need no closer look."""
        may_begin = self._may_begin.take(_pair_hash(units, following))
        if self._has_single:
            may_begin |= self._word_of.take(self._roots.take(units)) >= 0
        return np.flatnonzero(may_begin)


def _pair_hash(first: NDArray[np.int32], second: NDArray[np.int32]) -> NDArray[np.uint32]:
    mixed = first.astype(np.uint32) * np.uint32(0x9E3779B1)
    mixed += second.astype(np.uint32) * np.uint32(0x85EBCA77)
    mixed >>= np.uint32(32 - _PAIR_BITS)
    return mixed


def _leftmost(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which stretches stay if each gives way to those before it; `starts` ascend, shape (F,)."""
    # A chain begins where nothing before reaches; from there on each that stays names the next.
    kept = np.ones(len(starts), dtype=np.bool_)
    np.greater_equal(starts[1:], np.maximum.accumulate(ends)[:-1], out=kept[1:])
    at = np.flatnonzero(kept[:-1] & ~kept[1:])
    while len(at) > _FEW:
        at = np.searchsorted(starts, ends.take(at))
        at = at[at < len(starts)]
        at = at[~kept.take(at)]
        kept[at] = True
    for place in at.tolist():
        _follow(place, starts, ends, kept)
    return np.flatnonzero(kept)


def _follow(place: int, starts: NDArray[np.int64], ends: NDArray[np.int64], kept: NDArray[np.bool_]) -> None:
    """Choose in one chain from `place` on: a long one is not worth an array operation a step."""
    done = ends[place]
    for after in range(place + 1, len(starts)):
        if kept[after]:
            return
        if starts[after] >= done:
            kept[after] = True
            done = ends[after]
