"""Whole numbers looked up by whole numbers, many at a time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

_EMPTY = -2


class HashTable:
    """A mapping in two arrays: open addressing, at most a quarter full.

    Args:
        values: any numbers by keys of at least 0.
    """

    def __init__(self, values: Mapping[int, int]) -> None:
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

    def get(self, keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Look keys up.

        Args:
            keys: any numbers of at least -1, shape (K,).
        Returns:
            The places of those that are here, ascending, and their values.
        """
        slots = self._slots(keys)
        there = self._keys.take(slots)
        others = np.flatnonzero((there != keys) & (there != _EMPTY))
        while len(others):
            slots[others] = (slots[others] + 1) & self._last
            there[others] = self._keys[slots[others]]
            others = others[(there[others] != keys[others]) & (there[others] != _EMPTY)]
        found = np.flatnonzero(there == keys)
        return found, self._values.take(slots.take(found))

    def _slots(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        mixed = keys.view(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        return (mixed >> self._shift).view(np.int64)
