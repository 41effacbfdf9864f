"""Character by character: width, control and invisible characters, white space.

The rules are tables over all code points, applied with numpy to a whole text at once.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from erya.text.alignment import Aligned, Alignment

Width = Literal["letters", "all", "keep"]

_KEEP, _DROP, _SPACE, _BREAK = range(4)
_CODES = 0x110000
_CHINESE_PUNCTUATION = "！（），：；？［］～"

_BREAKS = "\n\v\f\r\x85\u2028\u2029"
_SPACES = "\t \xa0\u1680\u2000-\u200a\u202f\u205f\u2800\u3000"
# Controls, soft hyphen, zero-width and direction marks, joiners, selectors, fillers, noncharacters, tags.
_INVISIBLE = (
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# The same Hanzi encoded twice: Kangxi radicals, compatibility ideographs.
_DOUBLES = "\u2e9f\u2ef3\u2f00-\u2fd5\uf900-\ufad9\U0002f800-\U0002fa1d"

# A joiner or selector is part of the text only inside an emoji.
_EMOJI = "\U0001f000-\U0001faff\u2190-\u21ff\u2300-\u23ff\u2460-\u24ff\u25a0-\u27bf\u2900-\u297f\u2b00-\u2bff"
_SELECTABLE = _EMOJI + "#*0-9©®‼⁉™ℹ\u3030\u303d\u3297\u3299"
_JOINED = _EMOJI + "\ufe0f"
_EMOJI_PARTS = re.compile(
    f"(?<=[{_JOINED}])\u200d(?=[{_EMOJI}])|(?<=[{_SELECTABLE}])[\ufe0e\ufe0f]"
    "|(?<=\U0001f3f4)[\U000e0020-\U000e007e]+\U000e007f"
)
_EMOJI_PART = re.compile("[\u200d\ufe0e\ufe0f\U000e007f]")


def code_points(text: str) -> NDArray[np.uint32]:
    """The code points of `text`, lone surrogates included, uint32, shape (len(text),)."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def clean_characters(text: str, *, width: Width = "letters") -> Aligned | None:
    """Normalise the characters of `text`.

    Invisible characters go (joiners and selectors stay inside emoji), lone surrogates become U+FFFD,
    Kangxi radicals and compatibility ideographs become the Hanzi they double. A run of white space becomes
    one line feed if it holds a line break, otherwise one space, and nothing at the ends of the text.

    Args:
        text: any string.
        width: which full-width ASCII becomes half-width: `letters` leaves Chinese punctuation
            (！（），：；？［］～) as it is, `all` changes it too, `keep` changes nothing.
    Returns:
        The new text, None if it would be the old one. The space or line feed that stands for a run of
        white space maps to the whole run.
    """
    codes = code_points(text)
    if not _needs_work(_trouble(width)[codes]):
        return None
    kinds = _kinds()[codes]
    for start, end in _emoji_parts(text):
        kinds[start:end] = _KEEP
    kept = np.flatnonzero(kinds != _DROP).astype(np.int32)
    starts, ends, white = _collapse(kept, kinds[kept])
    new = _targets(width)[codes[starts]]
    new[white == _SPACE], new[white == _BREAK] = ord(" "), ord("\n")
    return Aligned(new.tobytes().decode("utf-32-le"), Alignment(starts, ends, len(text)))


def _collapse(
    kept: NDArray[np.int32], kinds: NDArray[np.uint8]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.uint8]]:
    """Merge runs of white space and cut those at the ends.

    Args:
        kept: places of the characters that stay, int32, shape (K,).
        kinds: their kinds, shape (K,).
    Returns:
        starts, ends and kinds of the new characters, each of shape (N,); a run is a break if any of it is.
    """
    black = np.flatnonzero(kinds == _KEEP)
    if not len(black):
        empty = np.empty(0, dtype=np.int32)
        return empty, empty, np.empty(0, dtype=np.uint8)
    kept, kinds = kept[black[0] : black[-1] + 1], kinds[black[0] : black[-1] + 1]
    white = kinds != _KEEP
    first = np.ones(len(white), dtype=np.bool_)
    first[1:] = ~(white[1:] & white[:-1])
    heads = np.flatnonzero(first)
    tails = np.append(heads[1:], len(white)) - 1
    return kept[heads], kept[tails] + np.int32(1), np.maximum.reduceat(kinds, heads)


def _emoji_parts(text: str) -> list[tuple[int, int]]:
    if not _EMOJI_PART.search(text):
        return []
    return [match.span() for match in _EMOJI_PARTS.finditer(text)]


def _needs_work(trouble: NDArray[np.uint8]) -> bool:
    """Whether anything but lone spaces and line feeds between other characters stands there."""
    worst = trouble.max(initial=0)
    doubled = worst == 1 and bool(trouble[0] or trouble[-1] or (trouble[1:] & trouble[:-1]).any())
    return doubled or worst == 2


@cache
def _trouble(width: Width) -> NDArray[np.uint8]:
    """2 for code points that ask for work wherever they stand, 1 for space and line feed, 0 for the rest.

    Most texts are clean: finding that out must be cheap.
    """
    trouble = np.where((_kinds() != _KEEP) | (_targets(width) != np.arange(_CODES)), 2, 0).astype(np.uint8)
    trouble[[ord(" "), ord("\n")]] = 1
    return trouble


def _narrowed(width: Width) -> list[int]:
    codes = range(0xFF01, 0xFF5F)
    return [code for code in codes if width == "all" or chr(code) not in _CHINESE_PUNCTUATION]


@cache
def _kinds() -> NDArray[np.uint8]:
    kinds = np.full(_CODES, _KEEP, dtype=np.uint8)
    for characters, kind in ((_INVISIBLE, _DROP), (_SPACES, _SPACE), (_BREAKS, _BREAK)):
        kinds[_expand(characters)] = kind
    return kinds


@cache
def _targets(width: Width) -> NDArray[np.uint32]:
    targets = np.arange(_CODES, dtype=np.uint32)
    targets[0xD800:0xE000] = 0xFFFD
    for code in _expand(_DOUBLES):
        normal = unicodedata.normalize("NFKC", chr(code))
        if len(normal) == 1:
            targets[code] = ord(normal)
    if width != "keep":
        narrowed = np.array(_narrowed(width))
        targets[narrowed] = narrowed - 0xFEE0
    return targets


def _expand(ranges: str) -> list[int]:
    """The code points of a character class as regular expressions write it: `a-cx`."""
    found = re.findall("(.)-(.)|(.)", ranges, re.DOTALL)
    return [code for low, high, one in found for code in range(ord(low or one), ord(high or one) + 1)]
