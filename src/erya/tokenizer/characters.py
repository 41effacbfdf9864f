"""What becomes of each code point, asked of `tokenizers` itself.

Python's `unicodedata` knows another version of Unicode than the reference does, so no table here is
ours: a page of code points is run through the reference the first time a text needs it (a few
milliseconds), and the answer is kept for the process.

A code point is one of three things: a token of its own in whatever company (then the table holds the code
point it normalises to), white space, or part of a run. Only runs need a closer look.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import normalizers, pre_tokenizers

from erya.tokenizer.spec import Rules

PAGE_SIZE = 4096
NUM_PAGES = 0x110000 // PAGE_SIZE
# What a character may be instead of one that stands alone; what it may become instead of one character.
SPACE, RUN = -1, -2
GONE, MANY = -3, -4
_UNKNOWN_PAGE = -9
_SURROGATES = range(0xD800, 0xE000)

# Letters and digits that may form runs in `native` mode: Latin, Greek, Cyrillic. Everything else (Hanzi,
# kana, emoji, signs) stands alone, in the vocabulary or not.
_RUN_RANGES = (
    (0x30, 0x39),
    (0x41, 0x5A),
    (0x61, 0x7A),
    (0xC0, 0xD6),
    (0xD8, 0xF6),
    (0xF8, 0x24F),
    (0x370, 0x373),
    (0x376, 0x377),
    (0x37B, 0x37D),
    (0x388, 0x3FF),
    (0x400, 0x481),
    (0x48A, 0x52F),
)
# Radicals, 〇, extension A, the first block, compatibility forms, extensions B to J.
_HANZI_RANGES = (
    (0x2E80, 0x2FD5),
    (0x3007, 0x3007),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAD9),
    (0x20000, 0x33479),
)


# Full-width letters and digits lie this far behind those of ASCII.
_FULL_WIDTH = 0xFEE0
_FULL_WIDTH_RANGES = ((0xFF10, 0xFF19), (0xFF21, 0xFF3A), (0xFF41, 0xFF5A))


class PreTokenizer(Protocol):
    """What cuts text into words, with their places."""

    def pre_tokenize_str(self, sequence: str) -> list[tuple[str, tuple[int, int]]]:
        """The words of `sequence`."""


class PageTable:
    """A table over all code points whose pages are filled in when they are first asked for.

    Args:
        page: what the code points of a page have, int32, shape (4096,), none of it -9.
    """

    def __init__(self, page: Callable[[int], NDArray[np.int32]]) -> None:
        self._page = page
        self._table = np.full(NUM_PAGES * PAGE_SIZE, _UNKNOWN_PAGE, dtype=np.int32)

    def __call__(self, codes: NDArray[np.int32]) -> NDArray[np.int32]:
        """What these code points have, int32, the shape of `codes`."""
        found = self._table.take(codes)
        if len(found) and found.min() == _UNKNOWN_PAGE:
            for page in np.unique(codes[found == _UNKNOWN_PAGE] // PAGE_SIZE).tolist():
                self._table[page * PAGE_SIZE : (page + 1) * PAGE_SIZE] = self._page(page)
            found = self._table.take(codes)
        return found


def may_run(character: str) -> bool:
    """Whether `native` mode may join this (normalised) character with its neighbours."""
    return any(first <= ord(character) <= last for first, last in _RUN_RANGES)


def page_characters(page: int) -> list[str]:
    """The 4,096 code points of a page; surrogates, which no UTF-8 text can hold, as a stand-in letter."""
    codes = range(page * PAGE_SIZE, (page + 1) * PAGE_SIZE)
    return ["a" if code in _SURROGATES else chr(code) for code in codes]


def normalise_page(page: int, normalizer: normalizers.Normalizer) -> list[str]:
    """What each code point of a page becomes on its own.

    The characters are laid out with a digit before each: a digit normalises to itself, nothing else
    normalises to it, and no rule looks across it. The digit itself is asked about as another digit.
    """
    characters = ["1" if character == "0" else character for character in page_characters(page)]
    parts = normalizer.normalize_str("".join("0" + character for character in characters)).split("0")[1:]
    assert len(parts) == len(characters), "a character normalised to the separator"
    return parts


def cut_kinds(characters: list[str], pre_tokenizer: PreTokenizer) -> NDArray[np.int32]:
    """For each character: its code point if it stands alone, SPACE, or RUN; shape (len(characters),)."""
    covered = np.zeros(2 * len(characters), dtype=np.bool_)
    alone = np.zeros(2 * len(characters), dtype=np.bool_)
    for piece, (start, end) in pre_tokenizer.pre_tokenize_str("".join("a" + char for char in characters)):
        covered[start:end] = True
        alone[start] = len(piece) == 1
    codes = np.array([ord(character) for character in characters], dtype=np.int32)
    return np.where(~covered[1::2], SPACE, np.where(alone[1::2], codes, RUN)).astype(np.int32)


def bert_normalizer(rules: Rules) -> normalizers.Normalizer:
    """The reference's normaliser with these rules."""
    return normalizers.BertNormalizer(
        clean_text=rules.clean,
        handle_chinese_chars=rules.split_hanzi,
        strip_accents=rules.strip_accents,
        lowercase=rules.lowercase,
    )


@lru_cache(maxsize=2 * NUM_PAGES)
def reference_kinds(page: int, rules: Rules) -> NDArray[np.int32]:
    """The kinds of a page of code points in `reference` mode, int32, shape (4096,)."""
    parts = normalise_page(page, bert_normalizer(rules))
    kinds = cut_kinds([part if len(part) == 1 else "a" for part in parts], pre_tokenizers.BertPreTokenizer())
    for index, part in enumerate(parts):
        spaced = len(part) == 3 and part[0] == part[2] == " " and not part[1].isspace()
        if spaced:
            kinds[index] = ord(part[1])
    return kinds


@lru_cache(maxsize=2 * NUM_PAGES)
def reference_units(page: int, rules: Rules) -> NDArray[np.int32]:
    """What each code point of a page becomes by itself in `reference` mode, int32, shape (4096,).

    One code point (the spaces around Hanzi left out), GONE, or MANY.
    """
    units = np.full(PAGE_SIZE, MANY, dtype=np.int32)
    for index, part in enumerate(normalise_page(page, bert_normalizer(rules))):
        if len(part) < 2:
            units[index] = ord(part) if part else GONE
        elif len(part) == 3 and part[0] == part[2] == " ":
            units[index] = ord(part[1])
    if page == 0:
        units[ord("0")] = ord("0")
    return units


@lru_cache(maxsize=2 * NUM_PAGES)
def native_folded(page: int, *, lowercase: bool) -> tuple[str, ...]:
    """What each code point of a page becomes in `native` mode: always exactly one.

    Full-width letters and digits become those of ASCII, capitals small ones.
    """
    folded = [chr(code) for code in range(page * PAGE_SIZE, (page + 1) * PAGE_SIZE)]
    if lowercase:
        # The one letter that lower-cases to two (the dotted capital I) keeps the first of them.
        folded = [part[0] for part in normalise_page(page, normalizers.Lowercase())]
        if page == 0:
            folded[ord("0")] = "0"
        if page == _SURROGATES.start // PAGE_SIZE:
            folded[_SURROGATES.start % PAGE_SIZE :] = map(chr, _SURROGATES)
    return tuple(chr(ord(char) - _FULL_WIDTH) if is_full_width(char) else char for char in folded)


def is_full_width(character: str) -> bool:
    """Whether this is a letter or digit of ASCII in the width of a Hanzi."""
    return any(first <= ord(character) <= last for first, last in _FULL_WIDTH_RANGES)


def full_width(*, lowercase: bool) -> dict[str, str]:
    """Every full-width letter (small ones only, with `lowercase`) and digit with what it becomes."""
    codes = (code for first, last in _FULL_WIDTH_RANGES for code in range(first, last + 1))
    folded = {chr(code): chr(code - _FULL_WIDTH) for code in codes}
    return {wide: char for wide, char in folded.items() if not (lowercase and char.isupper())}


@lru_cache(maxsize=2 * NUM_PAGES)
def native_units(page: int, *, lowercase: bool) -> NDArray[np.int32]:
    """What each code point of a page becomes in `native` mode, int32, shape (4096,)."""
    return np.array([ord(char) for char in native_folded(page, lowercase=lowercase)], dtype=np.int32)


@lru_cache(maxsize=2 * NUM_PAGES)
def native_kinds(page: int, alphabet: frozenset[str], *, lowercase: bool) -> NDArray[np.int32]:
    """The kinds of a page of code points in `native` mode, int32, shape (4096,)."""
    folded = native_folded(page, lowercase=lowercase)
    kinds = np.array([RUN if char in alphabet else ord(char) for char in folded], dtype=np.int32)
    spaces = cut_kinds(page_characters(page), pre_tokenizers.WhitespaceSplit()) == SPACE
    kinds[spaces] = SPACE
    return kinds


def is_hanzi(character: str) -> bool:
    """Whether this is a Hanzi, of GB 18030-2022 or newer: extensions, compatibility forms, radicals, 〇."""
    code = ord(character)
    return any(first <= code <= last for first, last in _HANZI_RANGES)
