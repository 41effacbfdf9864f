"""Texts as nothing but their letters, and hashes of the n-grams of these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from erya.corpus.deduplicate.folding import LETTER, Folded

# Letters in an n-gram.
GRAM = 6
_BASE = np.uint64(0x9E3779B97F4A7C15)
_FIRST_HANZI = 0x2E80
# As folding leaves them.
_SENTENCE_ENDS = [ord(mark) for mark in "。!?;…."]
_ZERO, _NINE = ord("0"), ord("9")
# So many letters of an alphabet, or digits, say as much as a Hanzi.
_ALPHABETIC = 3


@dataclass(frozen=True, slots=True)
class Letters:
    """The letters of D texts in L lines, end to end: neither script nor case, width or marks tell them apart.

    Attributes:
        codes: code points, uint64, shape (C,).
        bounds: where each text begins and, last, where the last ends, int64, shape (D + 1,).
        line_bounds: the same of lines, int64, shape (L + 1,).
        first_lines: the number of each text's first line and, last, L, int64, shape (D + 1,).
        is_start: whether a sentence or line begins with each letter; last of what comes after all, bool,
            shape (C + 1,).
    """

    codes: NDArray[np.uint64]
    bounds: NDArray[np.int64]
    line_bounds: NDArray[np.int64]
    first_lines: NDArray[np.int64]
    is_start: NDArray[np.bool_]

    @property
    def weights(self) -> NDArray[np.float64]:
        """How many Hanzi each text is worth, float64, shape (D,); digits alone say nothing."""
        is_digit = (self.codes >= _ZERO) & (self.codes <= _NINE)
        wide = self._sums(self.codes >= _FIRST_HANZI)
        narrow = (np.diff(self.bounds) - wide) / _ALPHABETIC
        says = self._sums(~is_digit) > 0
        weights: NDArray[np.float64] = np.where(says, wide + narrow, 0.0)
        return weights

    def _sums(self, is_marked: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.diff(_running(is_marked)[self.bounds])

    def text_hashes(self) -> NDArray[np.uint64]:
        """64 bits for each text, whatever its lines, uint64, shape (D,)."""
        return run_hashes(self.codes, np.diff(self.bounds))


def letters_of(folded: Folded) -> Letters:
    """The letters of folded texts."""
    is_letter = folded.kinds == LETTER
    before = _running(is_letter)
    line_bounds = before[folded.line_bounds]
    marks = np.flatnonzero(~is_letter)
    is_start = np.zeros(before[-1] + 1, dtype=bool)
    is_start[before[marks[np.isin(folded.codes[marks], _SENTENCE_ENDS)]]] = True
    is_start[line_bounds] = True
    return Letters(
        codes=folded.codes[is_letter].astype(np.uint64),
        bounds=before[folded.bounds],
        line_bounds=line_bounds,
        first_lines=folded.first_lines,
        is_start=is_start,
    )


def gram_hashes(codes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """64 bits for each run of `GRAM` letters.

    Args:
        codes: code points, uint64, shape (C,).
    Returns:
        uint64, shape (C - GRAM + 1,); the upper bits are the good ones.
    """
    count = max(len(codes) - GRAM + 1, 0)
    hashes = codes[:count].copy()
    for place in range(1, GRAM):
        hashes *= _BASE
        hashes += codes[place : place + count]
    hashes *= _BASE
    return hashes


def run_hashes(codes: NDArray[np.uint64], lengths: NDArray[np.int64]) -> NDArray[np.uint64]:
    """64 bits for each run of letters.

    Args:
        codes: of the letters of all runs, end to end, uint64, shape (C,).
        lengths: of each run, int64, shape (R,).
    Returns:
        uint64, shape (R,); 0 for an empty run.
    """
    bounds = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])
    # A sum of letters, each times a hash of its place in its run: order and length matter.
    places = np.arange(len(codes), dtype=np.int64) - np.repeat(bounds[:-1], lengths)
    mixed = _mix(codes + _mix(places.astype(np.uint64) + np.uint64(1)))
    sums = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(mixed, dtype=np.uint64)])
    hashes: NDArray[np.uint64] = sums[bounds[1:]] - sums[bounds[:-1]]
    return hashes


def spans(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """`start, start + 1, ...` of each span, end to end.

    Args:
        starts: int64, shape (S,).
        counts: how long each is, int64, shape (S,).
    """
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - ends + counts, counts)


def covered_letters(owners: NDArray[np.int64], places: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """How many letters of each of `count` owners their n-grams cover, int64, shape (count,).

    Args:
        owners: whose each n-gram is, int64, shape (N,).
        places: letters before it, int64, shape (N,); those of one owner all different.
    """
    order = np.lexsort((places, owners))
    owners, places = owners[order], places[order]
    fresh = np.full(len(order), GRAM, dtype=np.int64)
    step = np.where(np.diff(owners) == 0, np.diff(places), GRAM)
    fresh[1:] = np.minimum(step, GRAM)
    covered: NDArray[np.int64] = np.bincount(owners, weights=fresh, minlength=count).astype(np.int64)
    return covered


def joined(parts: Sequence[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    """Arrays end to end; nothing of nothing."""
    return np.concatenate([np.zeros(0, dtype=np.uint64), *parts])


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _running(is_marked: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many are marked before each place, and in all, int64, shape (C + 1,)."""
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(is_marked, dtype=np.int64)])
