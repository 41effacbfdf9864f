"""What kind of character each code point is, for counts a reader understands."""

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np
from numpy.typing import NDArray

from erya.text.script_of import SHARED, SIMPLIFIED, TRADITIONAL, hanzi_scripts

# In the order of the numbers that `character_kinds` gives.
KINDS = (
    "white space",
    "shared Hanzi",
    "simplified Hanzi",
    "traditional Hanzi",
    "Latin letters",
    "digits",
    "punctuation",
    "symbols and emoji",
    "other",
)
WHITE, HANZI, HANZI_SIMPLIFIED, HANZI_TRADITIONAL, LATIN, DIGIT, PUNCTUATION, SYMBOL, OTHER = range(9)

_CODES = 0x110000
# Planes 0 and 1 hold every letter, digit and sign but Hanzi; beyond them only tags, which emoji use.
_LAST_NAMED = 0x20000
_OF_CATEGORY = {"N": DIGIT, "P": PUNCTUATION, "S": SYMBOL, "Z": WHITE}
_LATIN = (
    (0x41, 0x24F),
    (0x250, 0x2AF),
    (0x1E00, 0x1EFF),
    (0x2C60, 0x2C7F),
    (0xA722, 0xA7FF),
    (0xFF21, 0xFF5A),
)
# Joiners, variation selectors, the keycap, tags: no signs of their own, but parts of emoji.
_EMOJI_PARTS = (0x200D, 0x20E3, 0xFE0E, 0xFE0F, *range(0xE0020, 0xE0080))


@cache
def character_kinds() -> NDArray[np.uint8]:
    """For each code point its kind, an index into `KINDS`, uint8, shape (0x110000,); not to be written to."""
    kinds = np.full(_CODES, OTHER, dtype=np.uint8)
    named = [_named_kind(chr(code)) for code in range(_LAST_NAMED)]
    kinds[:_LAST_NAMED] = named
    for first, last in _LATIN:
        part = kinds[first : last + 1]
        part[_letters(first, last)] = LATIN
    kinds[list(_EMOJI_PARTS)] = SYMBOL
    for script, kind in ((SHARED, HANZI), (SIMPLIFIED, HANZI_SIMPLIFIED), (TRADITIONAL, HANZI_TRADITIONAL)):
        kinds[hanzi_scripts() == script] = kind
    kinds.setflags(write=False)
    return kinds


def _named_kind(character: str) -> int:
    if character.isspace():
        return WHITE
    return _OF_CATEGORY.get(unicodedata.category(character)[0], OTHER)


def _letters(first: int, last: int) -> NDArray[np.bool_]:
    letters = [unicodedata.category(chr(code))[0] == "L" for code in range(first, last + 1)]
    return np.array(letters, dtype=np.bool_)
