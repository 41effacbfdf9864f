"""Many words looked for at all places of a text at once.

C characters are searched for W words; F are found. A letter is the number of a character (`Alphabet`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from erya.tokenizer.alphabet import Alphabet, Units
from erya.tokenizer.edges import LETTER_BITS, Edges
from erya.tokenizer.pairs import Pairs

Stretches = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]

_FEW = 8
# If at most this part of the characters may begin a word, only there a second look is taken.
_RARE = 1 / 8


class Trie:
    """A tree of words whose edges lie in arrays, so that numpy walks it from many places in step.

    Its nodes are numbered by what they are: what only begins words, words that go on, and, the highest, words
    that nothing continues.

    Args:
        words: W different words, each of at least one unit.
        units: see `Alphabet`.
    """

    def __init__(self, words: Sequence[Sequence[int]], *, units: Units | None = None) -> None:
        self.letters = Alphabet(words, units=units)
        edges: dict[int, int] = {}
        word_at: dict[int, int] = {}
        for number, word in enumerate(map(self.letters.spell, words)):
            node = word[0]
            for letter in word[1:]:
                node = edges.setdefault(node << LETTER_BITS | letter, len(self.letters) + len(edges))
            word_at[node] = number
        self._longest = max(map(len, words), default=0)
        self._lowest_first = min((self.letters.spell(word[:1])[0] for word in words), default=1)
        self._has_single = any(len(word) == 1 for word in words)
        self._lay_out(edges, word_at)

    def _lay_out(self, edges: dict[int, int], word_at: dict[int, int]) -> None:
        """Number the nodes; letters were nodes so far, and deeper ones stood as they were met."""
        num_letters, num_nodes = len(self.letters), len(self.letters) + len(edges)
        keys = np.fromiter(edges, dtype=np.int64, count=len(edges))
        parents = keys >> LETTER_BITS
        letters = (keys & ((1 << LETTER_BITS) - 1)).astype(np.int32)
        kinds = np.zeros(num_nodes, dtype=np.int64)
        kinds[list(word_at)] = 2 - np.isin(list(word_at), parents)
        order = np.argsort(kinds, kind="stable")
        # No node has the number 0: it stands for none.
        self._first_word, self._first_leaf = (np.searchsorted(kinds[order], [1, 2]) + 1).tolist()
        numbers = np.empty(num_nodes, dtype=np.int32)
        numbers[order] = np.arange(1, num_nodes + 1)
        self._word_of = np.full(num_nodes + 1, -1, dtype=np.int64)
        self._word_of[numbers[list(word_at)]] = list(word_at.values())
        self._node_of, nodes = numbers[:num_letters], numbers[num_letters:]
        shallow = parents < num_letters
        firsts, seconds = parents[shallow].astype(np.int32), letters[shallow]
        self._pairs = Pairs(firsts, seconds, nodes[shallow], num_letters=num_letters)
        self._edges = Edges(numbers[parents[~shallow]], letters[~shallow], nodes[~shallow])

    def find(self, letters: NDArray[np.int32]) -> Stretches:
        """The words in a text: leftmost first, of those that begin together the longest.

        Args:
            letters: of the text, by `letters`; 0 for what no word reaches over, and at the end; int32,
                shape (C,).
        Returns:
            Start, end (half-open) and number of each word found, in order, none overlapping, shape (F,) each.
        """
        starts, nodes = self._beginnings(letters)
        if not len(starts):
            return starts, starts, starts
        ends, nodes = self._longest_words(letters, starts, nodes)
        kept = (_leftmost(starts, ends) & (nodes >= self._first_word)).nonzero()[0]
        return starts.take(kept), ends.take(kept), self._word_of.take(nodes.take(kept))

    def _beginnings(self, letters: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Where two letters begin a word, or one is a word, and the nodes they lead to."""
        firsts = letters[:-1]
        may_begin = firsts >= self._lowest_first
        if np.count_nonzero(may_begin) <= _RARE * len(letters):
            places = may_begin.nonzero()[0]
            starts, nodes = self._pairs.find(firsts.take(places), letters.take(places + 1))
            starts = places.take(starts)
        else:
            starts, nodes = self._pairs.find(firsts, letters[1:])
        return self._with_singles(firsts, starts, nodes) if self._has_single else (starts, nodes)

    def _with_singles(
        self, firsts: NDArray[np.int32], starts: NDArray[np.int64], nodes: NDArray[np.int32]
    ) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """The same with the letters that are words; no node where no two letters begin one."""
        at_all = np.zeros(len(firsts), dtype=np.int32)
        at_all[starts] = nodes
        starts = ((at_all > 0) | (self._node_of.take(firsts) >= self._first_word)).nonzero()[0]
        return starts, at_all.take(starts)

    def _longest_words(
        self, letters: NDArray[np.int32], starts: NDArray[np.int64], nodes: NDArray[np.int32]
    ) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """The end of the longest word from each start, and its node; the start and no word's node for none.

        Args:
            letters: see `find`.
            starts, nodes: where words may begin, and the nodes two letters lead to.
        """
        ends, best = starts + 2, nodes.copy()
        short = (nodes < self._first_word).nonzero()[0]
        if len(short):
            places = starts.take(short)
            best[short] = self._node_of.take(letters.take(places))
            ends[short] = places + (best.take(short) >= self._first_word)
        walking = ((nodes > 0) & (nodes < self._first_leaf)).nonzero()[0]
        at, nodes = starts.take(walking) + 2, nodes.take(walking)
        for _ in range(2, self._longest):
            going, nodes = self._edges.follow(nodes, letters.take(at))
            if not len(going):
                break
            walking, at = walking.take(going), at.take(going) + 1
            whole = (nodes >= self._first_word).nonzero()[0]
            longer = walking.take(whole)
            best[longer], ends[longer] = nodes.take(whole), at.take(whole)
            inner = (nodes < self._first_leaf).nonzero()[0]
            walking, at, nodes = walking.take(inner), at.take(inner), nodes.take(inner)
        return ends, best


def _leftmost(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which stretches stay if each gives way to those before it; `starts` ascend, shape (F,)."""
    # A chain begins where nothing before reaches; the last stands for the end.
    kept = np.ones(len(starts) + 1, dtype=np.bool_)
    np.greater_equal(starts[1:], _reach(ends)[:-1], out=kept[1:-1])
    # Of each chain whose first stays: the next to be looked at, and where the last that stays ends.
    after = (kept[:-1] > kept[1:]).nonzero()[0] + 1
    done = ends.take(after - 1)
    while len(after) > _FEW:
        free = starts.take(after) >= done
        kept[after] = free
        done = np.where(free, ends.take(after), done)
        after += 1
        going = (~kept.take(after)).nonzero()[0]
        after, done = after.take(going), done.take(going)
    for place, end in zip(after.tolist(), done.tolist(), strict=True):
        _follow(place, end, starts, ends, kept)
    return kept[:-1]


def _reach(ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """The furthest end up to each place. Few stretches lie inside of others: soon nothing is left to mend."""
    width = 1
    while (ends[1:] < ends[:-1]).any():
        ends = np.append(ends[:width], np.maximum(ends[width:], ends[:-width]))
        width *= 2
    return ends


def _follow(
    place: int, done: int, starts: NDArray[np.int64], ends: NDArray[np.int64], kept: NDArray[np.bool_]
) -> None:
    """Choose in one chain from `place` on: a long one is not worth an array operation a step."""
    while not kept[place]:
        if starts[place] >= done:
            kept[place] = True
            done = ends[place]
        place += 1
