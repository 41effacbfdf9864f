"""The edges of a tree in arrays, many followed at a time.

E edges lead from a node by a letter to a node of their own; K are asked for. No node has the number 0: it
stands for none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LETTER_BITS = 21
# So few are looked for in sorted order: fewer steps, if each takes longer.
_FEW = 256
_FIRST_FACTOR, _SECOND_FACTOR = np.uint32(0x9E3779B1), np.uint32(0x85EBCA77)


class Edges:
    """A hash table of edges; those that share a slot form a list. At most an eighth of the slots are taken.

    Args:
        parents: the nodes they lead from, int32, shape (E,).
        letters: by which letters, int32, shape (E,).
        nodes: where they lead to, different numbers, int32, shape (E,).
    """

    def __init__(
        self, parents: NDArray[np.int32], letters: NDArray[np.int32], nodes: NDArray[np.int32]
    ) -> None:
        bits = max(4, (8 * len(nodes)).bit_length())
        self._shift = np.uint32(32 - bits)
        num_nodes = int(nodes.max(initial=0)) + 1
        self._keys = np.full(num_nodes, -1, dtype=np.int64)
        self._keys[nodes] = _keys(parents, letters)
        self._by_key = nodes[np.argsort(self._keys[nodes])]
        # The last, which no edge has, is for a search that ends behind all.
        self._sorted = np.append(self._keys[self._by_key], np.int64(-1))
        self._heads = np.zeros(1 << bits, dtype=np.int32)
        self._next = np.zeros(num_nodes, dtype=np.int32)
        slots = self._slots(parents, letters)
        order = np.argsort(slots, kind="stable")
        slots, nodes = slots[order], nodes[order]
        self._heads[slots[::-1]] = nodes[::-1]
        shares = slots[1:] == slots[:-1]
        self._next[nodes[:-1][shares]] = nodes[1:][shares]

    def follow(
        self, parents: NDArray[np.int32], letters: NDArray[np.int32]
    ) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Which of these edges there are, in order, and where they lead.

        Args:
            parents, letters: shape (K,).
        """
        if len(parents) <= _FEW:
            keys = _keys(parents, letters)
            at = self._sorted[:-1].searchsorted(keys)
            going = (self._sorted.take(at) == keys).nonzero()[0]
            return going, self._by_key.take(at.take(going))
        nodes = self._heads.take(self._slots(parents, letters))
        going = (nodes > 0).nonzero()[0]
        nodes = nodes.take(going)
        keys = _keys(parents.take(going), letters.take(going))
        wrong = (self._keys.take(nodes) != keys).nonzero()[0]
        if not len(wrong):
            return going, nodes
        while len(wrong):
            others = self._next.take(nodes.take(wrong))
            nodes[wrong] = others
            wrong = wrong.take(((others > 0) & (self._keys.take(others) != keys.take(wrong))).nonzero()[0])
        real = nodes.nonzero()[0]
        return going.take(real), nodes.take(real)

    def _slots(self, parents: NDArray[np.int32], letters: NDArray[np.int32]) -> NDArray[np.uint32]:
        mixed = parents.view(np.uint32) * _FIRST_FACTOR
        mixed += letters.view(np.uint32) * _SECOND_FACTOR
        mixed >>= self._shift
        return mixed


def _keys(parents: NDArray[np.int32], letters: NDArray[np.int32]) -> NDArray[np.int64]:
    keys = parents.astype(np.int64)
    keys <<= LETTER_BITS
    keys |= letters
    return keys
