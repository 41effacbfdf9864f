"""Where any of many words stand: numpy finds the places worth a look, Python looks.

Letters: C characters, M matches.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

_TABLE_BITS = 18
_FIRST, _SECOND = 0x9E3779B1, 0x85EBCA77
_PREFIX = 3
_NUM_LETTERS = 26
_STRETCH = 1 << 16


class WordMatcher:
    """Finds words in texts; time hardly depends on how many there are.

    Letter case is set aside (a-z only). A word that begins or ends with a Latin letter or digit does not
    match inside a longer one (`av` in `java`).

    Args:
        words: of two characters and more.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self._words: dict[str, tuple[str, ...]] = {}
        for word in sorted({_lower(word) for word in words}, key=len, reverse=True):
            assert len(word) >= 2
            self._words[word[:_PREFIX]] = (*self._words.get(word[:_PREFIX], ()), word)
        pairs = _codes("".join(prefix[:2] for prefix in self._words)).reshape(-1, 2)
        self._may_begin = np.zeros(1 << _TABLE_BITS, dtype=np.bool_)
        self._may_begin[_buckets(pairs[:, 0], pairs[:, 1])] = True
        padded = [prefix.ljust(_PREFIX, "\0") for prefix in self._words]
        self._prefixes = np.unique(_keys(_codes("".join(padded)).reshape(-1, _PREFIX).T))

    def find(self, codes: NDArray[np.uint32]) -> NDArray[np.int64]:
        """The places where a word begins.

        Args:
            codes: code points, uint32, shape (C,).
        Returns:
            int64, shape (M,), ascending; the longest word at a place counts, others that begin inside it
            count too.
        """
        if not self._words or len(codes) < 2:
            return np.zeros(0, dtype=np.int64)
        small = codes + (((codes - np.uint32(ord("A"))) < _NUM_LETTERS) * np.uint32(32))
        # A stretch at a time: what it takes stays in the processor's cache.
        places = np.concatenate(
            [
                start + self._worth_a_look(small[start : start + _STRETCH + 1])
                for start in range(0, len(small), _STRETCH)
            ]
        )
        places = places[self._has_prefix(small, places)]
        if not len(places):
            return places
        text = small.tobytes().decode("utf-32-le")
        return places[np.fromiter((self._stands(text, place) for place in places.tolist()), dtype=np.bool_)]

    def _worth_a_look(self, codes: NDArray[np.uint32]) -> NDArray[np.int64]:
        return np.flatnonzero(self._may_begin[_buckets(codes[:-1], codes[1:])])

    def _has_prefix(self, codes: NDArray[np.uint32], places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the next two or three characters begin a word."""
        third = np.append(codes, np.uint32(0))[places + 2]
        first_two = (codes[places], codes[places + 1])
        whole = np.isin(_keys((*first_two, third)), self._prefixes)
        return whole | np.isin(_keys((*first_two, np.zeros_like(third))), self._prefixes)

    def _stands(self, text: str, place: int) -> bool:
        words = self._words.get(text[place : place + _PREFIX], ())
        if any(text.startswith(word, place) and _is_free(text, place, word) for word in words):
            return True
        pair = text[place : place + 2]
        return pair in self._words and _is_free(text, place, pair)


def _is_free(text: str, place: int, word: str) -> bool:
    """Whether no Latin letter or digit of the word goes on outside it."""
    end = place + len(word)
    goes_on_before = place > 0 and _is_latin(word[0]) and _is_latin(text[place - 1])
    goes_on_after = end < len(text) and _is_latin(word[-1]) and _is_latin(text[end])
    return not (goes_on_before or goes_on_after)


def _is_latin(character: str) -> bool:
    return character.isascii() and character.isalnum()


def _lower(word: str) -> str:
    return "".join(character.lower() if character.isascii() else character for character in word)


def _codes(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)


def _buckets(first: NDArray[np.uint32], second: NDArray[np.uint32]) -> NDArray[np.uint32]:
    mixed = first * np.uint32(_FIRST)
    mixed += second * np.uint32(_SECOND)
    mixed >>= np.uint32(32 - _TABLE_BITS)
    return mixed


def _keys(prefix: tuple[NDArray[np.uint32], ...] | NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Three code points of 21 bits as one number."""
    first, second, third = (codes.astype(np.uint64) for codes in prefix)
    return (first << np.uint64(42)) | (second << np.uint64(21)) | third
