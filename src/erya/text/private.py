"""Phone numbers, e-mail addresses and identity numbers of mainland China: found and replaced by a tag."""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from erya.text.alignment import Aligned, Alignment

PrivateKind = Literal["phone", "email", "identity"]
TAGS: dict[PrivateKind, str] = {"phone": "[电话]", "email": "[邮箱]", "identity": "[证件号]"}

_SEPARATOR = r"[- \u2010-\u2014]?"
# Not inside a longer number, a decimal fraction or a code of letters and digits; but one phone may follow
# another: 13812345678/13912345678.
_FREE = r"(?<![0-9A-Za-z_])(?:(?<![0-9][.,/-])|(?<=[0-9]{7}[,/])|(?<=[- ][0-9]{4}[,/]))"
_AFTER_NAME = r"(?<=[Tt][Ee][Ll])|(?<=[Pp]hone)|(?<=[Ff]ax)|(?<=QQ)"
_ENDS = r"(?![0-9A-Za-z_]|[.-][0-9]|[,/](?!(?:[0-9][- ]?){7})[0-9]|\.[A-Za-z])"
_COUNTRY = rf"(?:(?:\+|00)86{_SEPARATOR}|86-|\((?:\+|00)86\)\s?)?"
_MOBILE = rf"1[3-9][0-9](?P<gap>{_SEPARATOR})[0-9]{{4}}(?P=gap)[0-9]{{4}}"
_AREA = r"(?:10|2[0-57-9]|[3-9][0-9]{2})"
_LOCAL = rf"[2-8][0-9]{{2,3}}{_SEPARATOR}[0-9]{{4}}"
_LANDLINE = rf"(?:[(（]0{_AREA}[)）]\s?|0{_AREA}{_SEPARATOR})"
_ABROAD = rf"(?:(?:\+|00)86{_SEPARATOR}{_AREA}{_SEPARATOR})"
_EXTENSION = r"(?:(?:-|转|转分机)[0-9]{1,5})?"
_PHONE = re.compile(
    rf"(?:{_FREE}|{_AFTER_NAME})(?:{_COUNTRY}{_MOBILE}|(?:{_LANDLINE}|{_ABROAD}){_LOCAL}{_EXTENSION}){_ENDS}"
)
_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.){1,5}"
    r"(?!(?:png|jpe?g|gif|svg|webp|css|js)\b)[A-Za-z]{2,24}(?![A-Za-z0-9-])"
)
_IDENTITY = re.compile(r"(?<![0-9A-Za-z_])(?:[0-9]{6} ?[0-9]{8} ?[0-9]{3}[0-9Xx]|[0-9]{15})(?![0-9A-Za-z_])")

_NUM_IN_REGION = {1: 5, 2: 3, 3: 7, 4: 6, 5: 4, 6: 5}
_PROVINCES = frozenset(
    [f"{region}{number}" for region, last in _NUM_IN_REGION.items() for number in range(1, last + 1)]
    + ["50", "71", "81", "82", "83"]
)
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_DIGITS = "10X98765432"
# Whatever is masked but an address has so many digits close together. Most texts have none.
_DIGITS = re.compile(r"[0-9]{3}[-) \u2010-\u2014）]?[0-9]{4}")


@dataclass(frozen=True, slots=True)
class Masked:
    """A text with tags in place of private numbers and addresses.

    Attributes:
        aligned: the text and where its characters come from; every character of a tag maps to the whole
            number it stands for.
        counts: how many of each kind were replaced.
    """

    aligned: Aligned
    counts: Counter[PrivateKind]


def mask_private(text: str, kinds: Collection[PrivateKind]) -> Masked | None:
    """Replace phone numbers, e-mail addresses and identity numbers by the tags of `TAGS`.

    Phones are mainland mobiles (with or without +86 and gaps) and landlines with their area code; identity
    numbers have 18 digits with a true date and check digit, or 15 with a true date (the form before 1999).
    Numbers that go on to the left or right are left alone, and so are service numbers (110, 400-...).

    Args:
        text: any string.
        kinds: what to replace.
    Returns:
        None if there is nothing to replace.
    """
    edits: list[tuple[int, int, PrivateKind]] = []
    done = 0
    for start, end, kind in sorted(_found(text, kinds), key=lambda found: found[0]):
        if start >= done:
            edits.append((start, end, kind))
            done = end
    if not edits:
        return None
    alignment = Alignment.from_edits([(start, end, len(TAGS[kind])) for start, end, kind in edits], len(text))
    return Masked(Aligned(_replaced(text, edits), alignment), Counter(kind for _, _, kind in edits))


def _replaced(text: str, edits: list[tuple[int, int, PrivateKind]]) -> str:
    parts, done = [], 0
    for start, end, kind in edits:
        parts += [text[done:start], TAGS[kind]]
        done = end
    return "".join([*parts, text[done:]])


def _found(text: str, kinds: Collection[PrivateKind]) -> Iterator[tuple[int, int, PrivateKind]]:
    """What is to be masked; of two that begin at one place the first counts."""
    if "email" in kinds and "@" in text:
        for match in _EMAIL.finditer(text):
            yield match.start(), match.end(), "email"
    if not _DIGITS.search(text):
        return
    if "identity" in kinds:
        for match in _IDENTITY.finditer(text):
            if _is_identity(match.group().replace(" ", "")):
                yield match.start(), match.end(), "identity"
    if "phone" in kinds:
        for match in _PHONE.finditer(text):
            yield match.start(), match.end(), "phone"


def _is_identity(number: str) -> bool:
    """Whether region, date of birth and, of 18 digits, the check digit are possible (GB 11643-1999)."""
    if number[:2] not in _PROVINCES:
        return False
    if len(number) == 15:
        return _is_date("19" + number[6:12])
    total = sum(int(digit) * weight for digit, weight in zip(number, _WEIGHTS, strict=False))
    return _is_date(number[6:14]) and number[17].upper() == _CHECK_DIGITS[total % 11]


def _is_date(digits: str) -> bool:
    try:
        year = datetime.date(int(digits[:4]), int(digits[4:6]), int(digits[6:])).year
    except ValueError:
        return False
    return 1850 <= year < 2100
