"""Repair of text that was decoded wrongly or is still escaped: mojibake and HTML character references."""

from __future__ import annotations

import html
import html.entities
import re
from collections.abc import Callable

from erya.text.alignment import Aligned, Alignment

# What cp1252 shows for the bytes 0x80-0x9F (the five holes stay control characters, as in Latin-1).
_CP1252 = bytes(range(0x80, 0xA0)).decode("cp1252", "surrogateescape")
_BYTE_OF = {chr(code): code for code in range(0x80, 0x100)}
_BYTE_OF.update({shown: code for code, shown in enumerate(_CP1252, 0x80) if shown < "\ud800"})
_BYTE_OF.update({shown: code for code, shown in enumerate(_CP1252, 0x80) if shown > "\udfff"})
_TAIL = "[" + re.escape("".join(character for character, code in _BYTE_OF.items() if code < 0xC0)) + "]"
_SEQUENCE = f"(?:[\xe0-\xef]{_TAIL}{{2}}|[\xf0-\xf4]{_TAIL}{{3}})"
_C1 = "[\x80-\x9f]"
# One sequence of three could be honest text: a quoted French word that ends in é before ”… reads as one.
# Two in a row, or one with a C1 control character in it, cannot.
_MOJIBAKE = re.compile(
    f"{_SEQUENCE}{{2,}}|[\xe0-\xef](?=.?{_C1}){_TAIL}{{2}}|[\xf0-\xf4](?=.{{0,2}}{_C1}){_TAIL}{{3}}",
    re.DOTALL,
)
_MOJIBAKE_CHARACTER = re.compile(_SEQUENCE)
_MOJIBAKE_LEAD = re.compile(f"[\xe0-\xf4]{_TAIL}")
_REFERENCE = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")


def repair_mojibake(text: str) -> Aligned | None:
    """Undo UTF-8 that was read as Latin-1 or cp1252, where nothing else can be meant.

    Only characters of three and four bytes (Hanzi, Chinese punctuation, emoji) are repaired: those of two
    (Ã©) could be meant. None if there is nothing to do.
    """
    # Searching for a lead and one tail is three times as fast as for the whole pattern.
    if not _MOJIBAKE_LEAD.search(text):
        return None
    return _substitute(_MOJIBAKE, _read_as_utf8, text)


def unescape_references(text: str) -> Aligned | None:
    """Replace HTML character references (`&amp;` `&#20013;` `&#x4e2d;`), once; unknown names stay.

    None if there is nothing to do.
    """
    if "&" not in text:
        return None
    return _substitute(_REFERENCE, _referenced, text)


# What a match is replaced by: (length in the match, new text) of the pieces it falls into; None leaves it.
_Pieces = list[tuple[int, str]]


def _read_as_utf8(shown: str) -> _Pieces | None:
    try:
        text = bytes(_BYTE_OF[character] for character in shown).decode("utf-8")
    except UnicodeDecodeError:
        return None
    return [(len(part), new) for part, new in zip(_MOJIBAKE_CHARACTER.findall(shown), text, strict=True)]


def _referenced(reference: str) -> _Pieces | None:
    known = reference[1] == "#" or reference[1:] in html.entities.html5
    return [(len(reference), html.unescape(reference))] if known else None


def _substitute(
    pattern: re.Pattern[str], pieces_of: Callable[[str], _Pieces | None], text: str
) -> Aligned | None:
    parts: list[str] = []
    edits: list[tuple[int, int, int]] = []
    done = 0
    for match in pattern.finditer(text):
        pieces = pieces_of(match.group())
        if pieces is None:
            continue
        parts.append(text[done : match.start()])
        done = match.start()
        for length, new in pieces:
            parts.append(new)
            edits.append((done, done + length, len(new)))
            done += length
    if not edits:
        return None
    return Aligned("".join([*parts, text[done:]]), Alignment.from_edits(edits, len(text)))
