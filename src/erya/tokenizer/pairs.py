"""Pairs of letters found at all places of a text.

What is done here is done at every place, so every pass counts: a pair is one number; mixed, it is both the
slot of a table and what stands there. E pairs, C characters.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from erya.tokenizer.edges import Edges

# By bits of a pair. Odd, so that different pairs stay different numbers.
_FACTORS = {32: 0x9E3779B1, 64: 0x9E3779B97F4A7C15}
# Stands for the nodes of several pairs that share a slot; those are looked up elsewhere.
_CROWDED = -1


class Pairs:
    """Pairs of letters and the node each leads to. At most an eighth of the places in the table are taken.

    Args:
        firsts, seconds: the pairs, all different, int32, shape (E,).
        nodes: their nodes, different numbers above 0, int32, shape (E,).
        num_letters: more than any letter is.
    """

    def __init__(
        self,
        firsts: NDArray[np.int32],
        seconds: NDArray[np.int32],
        nodes: NDArray[np.int32],
        *,
        num_letters: int,
    ) -> None:
        # What stands where no pair does is two pairs that no letters make.
        self._bits = 32 if num_letters < (1 << 16) - 1 else 64
        self._type = np.dtype(f"uint{self._bits}")
        self._factor, self._top = _FACTORS[self._bits], (1 << self._bits) - 1
        empty = self._top * self._factor & self._top
        self._crowded_key = (self._top - 1) * self._factor & self._top
        slot_bits = max(4, (8 * len(nodes)).bit_length())
        self._shift = self._type.type(self._bits - slot_bits)
        keys = self._mixed(firsts, seconds)
        slots = (keys >> self._shift).astype(np.int64)
        alone = np.bincount(slots, minlength=1 << slot_bits).take(slots) == 1
        self._keys = np.full(1 << slot_bits, empty, dtype=self._type)
        self._keys[slots] = np.where(alone, keys, self._type.type(self._crowded_key))
        self._nodes = np.zeros(1 << slot_bits, dtype=np.int32)
        self._nodes[slots] = np.where(alone, nodes, _CROWDED)
        self._crowded = Edges(firsts[~alone], seconds[~alone], nodes[~alone])

    def find(
        self, firsts: NDArray[np.int32], seconds: NDArray[np.int32]
    ) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Where these pairs lead to a node, in order, and to which; in a few places to none after all, 0.

        Args:
            firsts, seconds: letters, none below 0, shape (C,).
        """
        keys = self._mixed(firsts, seconds)
        slots = keys >> self._shift
        there = self._keys.take(slots)
        places = ((there == keys) | (there == self._crowded_key)).nonzero()[0]
        nodes = self._nodes.take(slots.take(places))
        crowded = (nodes == _CROWDED).nonzero()[0]
        if len(crowded):
            at = places.take(crowded)
            real, reached = self._crowded.follow(firsts.take(at), seconds.take(at))
            nodes[crowded] = 0
            nodes[crowded.take(real)] = reached
        return places, nodes

    def _mixed(
        self, firsts: NDArray[np.int32], seconds: NDArray[np.int32]
    ) -> NDArray[np.unsignedinteger[Any]]:
        """Each pair as one number, the first letter in its upper half, times the factor."""
        shifted = (self._factor << self._bits // 2) & self._top
        mixed: NDArray[np.unsignedinteger[Any]] = firsts.view(np.uint32) * self._type.type(shifted)
        mixed += seconds.view(np.uint32) * self._type.type(self._factor)
        return mixed
