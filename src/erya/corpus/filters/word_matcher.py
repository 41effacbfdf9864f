"""Where any of many words stand: numpy finds the places worth a look, Python looks.

Letters: C characters, M matches.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from erya.text.characters import code_points

_TABLE_BITS = 20
_FACTOR, _ODD = 0x85EBCA77, 0x9E3779B1
# Words are told apart by so many characters first.
_MAX_PREFIX = 4
_NUM_LETTERS = 26
_STRETCH = 1 << 16


class WordMatcher:
    """Finds words in texts; time depends on how often they occur more than on how many there are.

    Letter case is set aside (a-z only). A word that begins or ends with a Latin letter or digit does not
    match inside a longer one (`av` in `java`).

    Args:
        words: of two characters and more.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self._words: dict[str, tuple[str, ...]] = {}
        for word in {_lower(word) for word in words}:
            assert len(word) >= 2
            self._words[word[:_MAX_PREFIX]] = (*self._words.get(word[:_MAX_PREFIX], ()), word)
        self._lengths = sorted({len(prefix) for prefix in self._words})
        # The first two characters of all words, then all prefixes of each length.
        self._may_begin = _table(self._words, 2)
        self._prefixes = {
            length: _table([prefix for prefix in self._words if len(prefix) == length], length)
            for length in self._lengths
        }

    def find(self, codes: NDArray[np.uint32]) -> NDArray[np.int64]:
        """The places where a word begins.

        Args:
            codes: code points, uint32, shape (C,).
        Returns:
            int64, shape (M,), ascending; words that begin at the same place count once.
        """
        if not self._words or len(codes) < 2:
            return np.zeros(0, dtype=np.int64)
        small = codes + (((codes - np.uint32(ord("A"))) < _NUM_LETTERS) * np.uint32(32))
        # A stretch at a time: what it takes stays in the processor's cache.
        starts = range(0, len(small), _STRETCH)
        places = np.concatenate([start + self._worth_a_look(small[start:], _STRETCH) for start in starts])
        if not len(places):
            return places
        text = small.tobytes().decode("utf-32-le")
        return places[np.fromiter((self._stands(text, place) for place in places.tolist()), dtype=np.bool_)]

    def _worth_a_look(self, codes: NDArray[np.uint32], num_places: int) -> NDArray[np.int64]:
        """Which of the first places may begin a word."""
        pairs = codes[: num_places + 1]
        places = np.flatnonzero(self._may_begin[_buckets((pairs[:-1], pairs[1:]))])
        is_likely = np.zeros(len(places), dtype=np.bool_)
        for length, table in self._prefixes.items():
            # Places too near the end read its last character again; Python sees the difference.
            ends = np.minimum(places + length, len(codes))
            is_likely |= table[_buckets([codes[ends - back] for back in range(length, 0, -1)])]
        return places[is_likely]

    def _stands(self, text: str, place: int) -> bool:
        for length in self._lengths:
            for word in self._words.get(text[place : place + length], ()):
                if text.startswith(word, place) and _is_free(text, place, word):
                    return True
        return False


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


def _table(words: Iterable[str], length: int) -> NDArray[np.bool_]:
    """True at the buckets of the first `length` characters of the words."""
    table = np.zeros(1 << _TABLE_BITS, dtype=np.bool_)
    table[_buckets(code_points("".join(word[:length] for word in words)).reshape(-1, length).T)] = True
    return table


def _buckets(characters: Sequence[NDArray[np.uint32]] | NDArray[np.uint32]) -> NDArray[np.uint32]:
    """A hash of the characters at each place; wrapping round is meant."""
    mixed = characters[0] * np.uint32(_ODD)
    for codes in characters[1:]:
        mixed += codes
        mixed *= np.uint32(_FACTOR)
    mixed >>= np.uint32(32 - _TABLE_BITS)
    return mixed
