"""Simplified and traditional Chinese, with an alignment back to the original characters.

OpenCC does the converting and says nothing of places. Most of its changes swap one character for another
form of it; where a phrase is replaced (软件 by 軟體, 内存 by 記憶體), the place is found by cutting: a cut is
right when the conversions of both sides, side by side, are the conversion of the whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Literal, cast, get_args

import opencc

from erya.errors import ConfigError, nearest_hint
from erya.text.alignment import Aligned, Alignment

Conversion = Literal[
    "s2t", "t2s", "s2tw", "tw2s", "s2twp", "tw2sp", "s2hk", "hk2s", "t2tw", "tw2t", "t2hk", "hk2t"
]
CONVERSIONS: tuple[str, ...] = get_args(Conversion)


_NAMES: dict[str, Conversion] = {"simplified": "t2s", "traditional": "s2t"}


def named(name: str) -> Conversion:
    """The conversion called `name`: OpenCC's name, or `simplified` or `traditional`.

    Raises:
        ConfigError: there is no such conversion.
    """
    conversion = _NAMES.get(name, name)
    if conversion not in CONVERSIONS:
        hint = nearest_hint(name, [*CONVERSIONS, *_NAMES])
        raise ConfigError(f"unknown conversion {name!r}", hint=hint)
    return cast(Conversion, conversion)


def convert(text: str, conversion: Conversion) -> Aligned:
    """Convert between simplified and traditional characters.

    Args:
        text: any string that UTF-8 can hold.
        conversion: OpenCC's name: s simplified, t traditional, tw Taiwan, hk Hong Kong; a final p changes
            words too (软件 to 軟體), not only characters.
    Returns:
        The new text. The characters of a replaced phrase map to the whole phrase, all others to the one
        character they come from.
    """
    new = convert_text(text, conversion)
    # Without the final p, the tables hold spellings of the same words, character by character.
    if len(new) == len(text) and not conversion.endswith("p"):
        return Aligned(new, Alignment.identity(len(text)))
    return Aligned(new, Alignment.from_edits(_edits(text, new, 0, conversion), len(text)))


def convert_text(text: str, conversion: Conversion) -> str:
    """The text of `convert` without the alignment."""
    # OpenCC stops at a NUL character and drops the rest.
    if "\0" in text:
        return "\0".join(convert_text(part, conversion) for part in text.split("\0"))
    new: str = _converter(conversion).convert(text)
    return new


def _edits(text: str, new: str, offset: int, conversion: Conversion) -> Iterator[tuple[int, int, int]]:
    """The replaced phrases as (start, end, new length); all else maps character by character."""
    if _same_characters(text, new):
        return
    cut = _find_cut(text, new, conversion)
    if cut is None:
        yield offset, offset + len(text), len(new)
        return
    place, new_place = cut
    yield from _edits(text[:place], new[:new_place], offset, conversion)
    yield from _edits(text[place:], new[new_place:], offset + place, conversion)


def _same_characters(text: str, new: str) -> bool:
    """Whether `new` is `text` with each character in another form of itself."""
    if text == new:
        return True
    pairs = zip(text, new, strict=False)
    return len(text) == len(new) and all(old == other or _base(old) == _base(other) for old, other in pairs)


def _find_cut(text: str, new: str, conversion: Conversion) -> tuple[int, int] | None:
    """The right cut nearest to the middle, as places in both texts."""
    middle = len(text) // 2
    for place in sorted(range(1, len(text)), key=lambda place: abs(place - middle)):
        left = convert_text(text[:place], conversion)
        if new.startswith(left) and left + convert_text(text[place:], conversion) == new:
            return place, len(left)
    return None


@cache
def _base(character: str) -> str:
    """One form that all forms of a character share: 發 and 髮 are both 发."""
    return convert_text(convert_text(character, "tw2s"), "t2s")


@cache
def _converter(conversion: Conversion) -> opencc.OpenCC:
    return opencc.OpenCC(conversion)
