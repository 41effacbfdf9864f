"""Lines that are not in the encoding of their file: another encoding, or bytes that mean nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from erya.text.encodings import Encoding, strictly
from erya.text.likeness import likeness

# Tried in this order. UTF-16 has no lines that could be told apart by their bytes.
_LINE_ENCODINGS: tuple[Encoding, ...] = ("gb18030", "utf-8", "big5hkscs")
# A reading in another encoding has to look like Chinese, and one character may look so by chance.
_MIN_SCORE = 0.3
_MIN_FOREIGN = 2
_JUDGED = 10_000
# Three Hanzi in UTF-8: lead, trail, trail each. Text in a two-byte encoding seldom looks like that.
_UTF8_RUN = b"ltt" * 3
_UTF8_CLASSES = bytes(
    ord("l") if 0xE3 <= byte <= 0xE9 else ord("t") if 0x80 <= byte <= 0xBF else ord(".")
    for byte in range(256)
)
# So many of the lines must read whole for a file of mixed encodings to be text at all.
_MIN_READABLE = 0.8


@dataclass(frozen=True, slots=True)
class MendedLine:
    """A line as it was read in the end.

    Attributes:
        text: the line; U+FFFD stands for bytes that mean nothing.
        encoding: what it was read in.
        bad_bytes: how many bytes mean nothing.
        first_bad: the place of the first of them in the line, from 1; 0 if there is none.
    """

    text: str
    encoding: Encoding
    bad_bytes: int = 0
    first_bad: int = 0


def may_hold_utf8(data: bytes, encoding: Encoding) -> bool:
    """Whether bytes of a file in `encoding` seem to hold UTF-8, which GB 18030 reads as other Hanzi."""
    return encoding != "utf-8" and _UTF8_RUN in data.translate(_UTF8_CLASSES)


def holds_utf8_line(data: bytes, encoding: Encoding) -> bool:
    """Whether a line of `data`, which can all be read in `encoding`, is UTF-8 all the same."""
    if encoding == "utf-8":
        return False
    classes = data.translate(_UTF8_CLASSES)
    place = classes.find(_UTF8_RUN)
    while place >= 0:
        begin, end = data.rfind(b"\n", 0, place) + 1, data.find(b"\n", place)
        end = len(data) if end < 0 else end
        if mend_line(data[begin:end], encoding).encoding != encoding:
            return True
        place = classes.find(_UTF8_RUN, end)
    return False


def mend_line(data: bytes, encoding: Encoding) -> MendedLine:
    """Read a line as well as it can be read.

    A line that its file's encoding cannot read, or that holds UTF-8 where the file does not, is read in
    the encoding in which it looks most like Chinese, if it is whole there; otherwise as the file is, with
    U+FFFD for the bytes that mean nothing.

    Args:
        data: one line.
        encoding: of the file; not UTF-16.
    """
    own = strictly(data, encoding)
    if own is not None and not may_hold_utf8(data, encoding):
        return MendedLine(own, encoding)
    # What the file's encoding can read is left to it, unless it is UTF-8: that is no coincidence.
    others = _LINE_ENCODINGS if own is None else ("utf-8",)
    best = _score(data.decode(encoding, "replace") if own is None else own)
    found = _best_reading(data, tuple(other for other in others if other != encoding), above=best)
    if found is not None:
        return found
    return MendedLine(own, encoding) if own is not None else _replaced(data, encoding)


def main_encoding(sample: bytes) -> Encoding | None:
    """The encoding of most lines of a text whose lines differ in encoding.

    Args:
        sample: the first bytes of the text.
    Returns:
        None if too many lines are damaged in every encoding.
    """
    votes: Counter[Encoding | None] = Counter()
    for line in sample.split(b"\n")[: max(1, sample.count(b"\n"))]:
        if not line.isascii():
            found = _best_reading(line, _LINE_ENCODINGS, above=0.0)
            votes[found.encoding if found else None] += 1
    unreadable = votes.pop(None, 0)
    if not votes or unreadable > (1 - _MIN_READABLE) * (unreadable + votes.total()):
        return None
    return votes.most_common(1)[0][0]


def _best_reading(data: bytes, encodings: tuple[Encoding, ...], *, above: float) -> MendedLine | None:
    found = None
    for encoding in encodings:
        text = strictly(data, encoding)
        if text is None:
            continue
        like = likeness(text[:_JUDGED])
        if like.foreign >= _MIN_FOREIGN and like.score >= _MIN_SCORE and like.score > above:
            above, found = like.score, MendedLine(text, encoding)
    return found


def _score(text: str) -> float:
    return likeness(text[:_JUDGED]).score


def _replaced(data: bytes, encoding: Encoding) -> MendedLine:
    first = 0
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        first = error.start + 1
    kept = data.decode(encoding, "ignore").encode(encoding, "ignore")
    return MendedLine(data.decode(encoding, "replace"), encoding, max(1, len(data) - len(kept)), first)
