"""One form for characters that do not tell texts apart: of either script, width and case."""

from __future__ import annotations

import hashlib
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from erya.text.characters import code_points
from erya.text.script import convert_text

_CODES = sys.maxunicode + 1
_HANZI = ((0x2E80, 0x2FE0), (0x3400, 0xA000), (0xF900, 0xFB00), (0x20000, 0x33480))
_TAGS = range(0xE0000, 0xE1000)
_CASED = 0x1F000
_NEWLINE = 10
_FULL_WIDTH, _FULL_WIDTH_SHIFT = range(0xFF01, 0xFF5F), 0xFEE0
# The classes of characters.
SPACE, MARK, LETTER = range(3)


@dataclass(frozen=True, slots=True)
class Folded:
    """The folded characters of some texts, white space left out, end to end.

    Attributes:
        codes: code points, little-endian uint32, shape (C,).
        kinds: MARK (punctuation, symbols) or LETTER (letters, digits, Hanzi and all else), uint8, shape (C,).
        line_bounds: where each line begins and, last, where the last ends, int64, shape (L + 1,).
        first_lines: the number of each text's first line and, last, L, int64, shape (D + 1,).
    """

    codes: NDArray[np.uint32]
    kinds: NDArray[np.uint8]
    line_bounds: NDArray[np.int64]
    first_lines: NDArray[np.int64]

    @property
    def bounds(self) -> NDArray[np.int64]:
        """Where each text begins and, last, where the last ends, int64, shape (D + 1,)."""
        return self.line_bounds[self.first_lines]


def fold(texts: Sequence[str]) -> Folded:
    """Fold all characters of some texts: simplified Hanzi, half width, lower case.

    Hanzi are folded one by one, so that 头发 and 發展 share a character they do not in fact share; that is
    harmless where texts are only compared.
    """
    joined = "".join(f"{text}\n" for text in texts)
    codes = code_points(joined)
    kinds = _kinds()[codes]
    visible = np.flatnonzero(kinds != SPACE)
    newlines = np.flatnonzero(codes == _NEWLINE)
    text_ends = np.cumsum([len(text) + 1 for text in texts], dtype=np.int64) - 1
    return Folded(
        codes=_folds()[codes[visible]],
        kinds=kinds[visible],
        line_bounds=np.concatenate([[0], np.searchsorted(visible, newlines)]),
        first_lines=np.concatenate([[0], np.searchsorted(newlines, text_ends) + 1]),
    )


def letter_places(text: str) -> NDArray[np.int64]:
    """Where the letters of a text stand in it, int64; as many as `fold` leaves of it."""
    return np.flatnonzero(_kinds()[code_points(text)] == LETTER)


def hash_slices(folded: Folded, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.uint64]:
    """64 bits of BLAKE2b for each run of characters.

    Args:
        folded: the characters.
        starts, ends: the runs, int64, shape (R,).
    Returns:
        The hashes, uint64, shape (R,).
    """
    data = memoryview(folded.codes.tobytes())
    blake2b = hashlib.blake2b
    digests = [
        blake2b(data[start:end], digest_size=8).digest()
        for start, end in zip((starts * 4).tolist(), (ends * 4).tolist(), strict=True)
    ]
    return np.frombuffer(b"".join(digests), dtype="<u8")


@cache
def _kinds() -> NDArray[np.uint8]:
    """The class of every code point. What Python's tables do not know is a letter: a Hanzi of tomorrow."""
    kinds = np.full(_CODES, LETTER, dtype=np.uint8)
    for code in chain(range(0x20000), _TAGS):
        category = unicodedata.category(chr(code))
        if chr(code).isspace():
            kinds[code] = SPACE
        elif category[0] in "PSZ" or category in ("Cc", "Cf"):
            kinds[code] = MARK
    return kinds


@cache
def _folds() -> NDArray[np.uint32]:
    """The folded form of every code point; folding twice changes nothing."""
    table = np.arange(_CODES, dtype="<u4")
    for first, end in _HANZI:
        table[first:end] = _simplified(first, end)
    table[_FULL_WIDTH] = np.array(_FULL_WIDTH) - _FULL_WIDTH_SHIFT
    lower = [ord(low) if len(low := chr(code).lower()) == 1 else code for code in range(_CASED)]
    is_cased = table < _CASED
    table[is_cased] = np.array(lower)[table[is_cased]]
    while not np.array_equal(table[table], table):
        table = table[table]
    return table


def _simplified(first: int, end: int) -> NDArray[np.uint32]:
    """Code points `first` to `end` as simplified Chinese writes them."""
    # A newline between them keeps OpenCC from seeing phrases.
    text = "\n".join(map(chr, range(first, end)))
    for conversion in ("tw2s", "hk2s", "t2s"):
        text = convert_text(text, conversion)
    pairs = zip(text.split("\n"), range(first, end), strict=True)
    return np.array([ord(new) if len(new) == 1 else old for new, old in pairs], dtype="<u4")
