"""Words without a dictionary: every Hanzi is one, and so is a run of letters and digits."""

from __future__ import annotations

import unicodedata
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from erya.text.characters import code_points
from erya.text.words import Word

_SPACE, _ALONE, _LETTER, _MARK = range(4)
_CODES = 0x110000
# Beyond these planes there are Hanzi, and tags and selectors.
_LAST_NAMED = 0x20000
_TAGS = slice(0xE0000, 0xE1000)
# Written without spaces between words: each character stands alone. CJK radicals to Bopomofo and their
# extensions, Hanzi, compatibility Hanzi, half-width kana, kana supplements.
_WITHOUT_SPACES = (
    (0x2E80, 0x312F),
    (0x31A0, 0x31BF),
    (0x31F0, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9D),
    (0x1AFF0, 0x1B16F),
)


class PlainSegmenter:
    """Cuts text by characters alone: nothing to load, nothing to guess."""

    def words(self, text: str) -> list[Word]:
        """The words of `text` in order, covering every character (white space is a word); tags are x."""
        starts = self._begins(text, self._kinds(text))
        bounds = [*np.flatnonzero(starts).tolist(), len(text)]
        return [Word(start, end, "x") for start, end in pairwise(bounds)]

    def starts(self, text: str) -> NDArray[np.bool_]:
        """True where a word begins, bool, shape (len(text),); False at white space."""
        kinds = self._kinds(text)
        starts: NDArray[np.bool_] = self._begins(text, kinds) & (kinds != _SPACE)
        return starts

    def _kinds(self, text: str) -> NDArray[np.uint8]:
        """The kind of each character; a mark has that of what it is written on."""
        kinds = _kinds()[code_points(text)]
        marks = kinds == _MARK
        if not marks.any():
            return kinds
        places = np.where(marks, 0, np.arange(len(kinds)))
        carried: NDArray[np.uint8] = kinds[np.maximum.accumulate(places)]
        # A mark with nothing to stand on stands alone.
        return np.where(marks & ((carried == _SPACE) | (carried == _MARK)), np.uint8(_ALONE), carried)

    def _begins(self, text: str, kinds: NDArray[np.uint8]) -> NDArray[np.bool_]:
        goes_on = np.zeros(len(kinds), dtype=np.bool_)
        runs = (kinds == _LETTER) | (kinds == _SPACE)
        goes_on[1:] = runs[1:] & (kinds[1:] == kinds[:-1])
        own = _kinds()[code_points(text)]
        goes_on[1:] |= (own[1:] == _MARK) & (kinds[:-1] != _SPACE)
        return ~goes_on


@cache
def _kinds() -> NDArray[np.uint8]:
    """What each code point is, uint8, shape (0x110000,)."""
    kinds = np.full(_CODES, _ALONE, dtype=np.uint8)
    kinds[:_LAST_NAMED] = [_kind(chr(code)) for code in range(_LAST_NAMED)]
    for first, last in _WITHOUT_SPACES:
        part = kinds[first : last + 1]
        part[part == _LETTER] = _ALONE
    kinds[_TAGS] = _MARK
    kinds.setflags(write=False)
    return kinds


def _kind(character: str) -> int:
    if character.isspace():
        return _SPACE
    category = unicodedata.category(character)
    if category[0] == "M" or category == "Cf":
        return _MARK
    return _LETTER if category[0] in "LN" else _ALONE
