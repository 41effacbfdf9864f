"""Bytes to text: which encoding is this, and is it text at all."""

from __future__ import annotations

import codecs
import io
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import IO, Literal

from erya.errors import InputError

Encoding = Literal["utf-8", "gb18030", "big5hkscs", "utf-16-le", "utf-16-be"]

SAMPLE_BYTES = 1 << 16
# Above this share of damaged characters a file is not text in that encoding.
_MAX_DAMAGE = 0.1
# Chinese read rightly scores about 0.8, random bytes below 0.1.
_MIN_SCORE = 0.2
_BOMS: tuple[tuple[bytes, Encoding], ...] = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CANDIDATES: tuple[Encoding, ...] = ("utf-8", "gb18030", "big5hkscs", "utf-16-le", "utf-16-be")
_FORMATS = (
    (b"%PDF", "a PDF", "extract its text first, for example with pdftotext"),
    (b"PK\x03\x04", "a zip archive or office document", "unpack it first"),
    (b"\x1f\x8b", "compressed by gzip", "give it the suffix .gz"),
    (b"\xfd7zXZ", "compressed by xz", "give it the suffix .xz"),
    (b"BZh", "compressed by bzip2", "give it the suffix .bz2"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", "give it the suffix .zst"),
    (b"PAR1", "a Parquet file", "write its text column as JSON lines first"),
)
_COMMON = frozenset(
    "的一是不了在人有我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可里"
    "后小么心多天而能好都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已"
    "這來國個說們為時會著過學對裡後麼沒於還發當無開頭問動長見經現點實與從關門間樣東話種進"
)


def detect_encoding(sample: bytes, *, name: str = "the input") -> Encoding:
    """The encoding of a text that begins with `sample`.

    A byte-order mark decides; then valid UTF-8; otherwise the candidate whose reading looks most like
    Chinese: few damaged characters, many of the everyday ones.

    Args:
        sample: the first bytes; 64 KiB are looked at. A character cut off at its end is no damage.
        name: what the bytes are called in an error.
    Raises:
        InputError: the bytes are no text.
    """
    for mark, encoding in _BOMS:
        if sample.startswith(mark):
            return _refuse_nonsense(sample[:SAMPLE_BYTES], encoding, name)
    for magic, what, hint in _FORMATS:
        if sample.startswith(magic):
            raise InputError(f"not a text file: this is {what}", where=name, hint=hint)
    sample = sample[:SAMPLE_BYTES]
    if b"\0" not in sample and _is_utf8(sample):
        return _refuse_nonsense(sample, "utf-8", name)
    readings = {encoding: _reading(sample, encoding) for encoding in _possible(sample)}
    best = max(readings, key=lambda encoding: readings[encoding].score)
    if readings[best].damage > _MAX_DAMAGE or readings[best].score < _MIN_SCORE:
        raise InputError(
            "not a text file: the bytes are neither UTF-8, GB18030, Big5 nor UTF-16",
            where=name,
            hint="convert it to UTF-8 first, or leave it out",
        )
    return _refuse_nonsense(sample, best, name)


def decode(
    data: bytes, *, errors: Literal["strict", "replace"] = "strict", name: str = "the input"
) -> tuple[str, Encoding]:
    """Read bytes of unknown encoding.

    Args:
        data: a whole text.
        errors: what to do about a damaged character: raise, or put U+FFFD in its place.
        name: what the bytes are called in an error.
    Returns:
        The text without its byte-order mark, and the encoding it was read in.
    Raises:
        InputError: the bytes are no text, or one is damaged and `errors` is `strict`.
    """
    encoding = detect_encoding(data, name=name)
    try:
        return data.decode(encoding, errors).removeprefix("\ufeff"), encoding
    except UnicodeDecodeError as error:
        raise InputError(f"damaged {encoding}: {error.reason} at byte {error.start}", where=name) from None


def decode_lines(stream: IO[bytes], *, name: str = "the input") -> Iterator[tuple[str, bool]]:
    """The lines of a stream of unknown encoding, as they come, without their ends.

    Args:
        stream: a buffered stream, one that can `peek`.
        name: what the stream is called in an error.
    Yields:
        A line, and whether U+FFFD stands in it for bytes that could not be read.
    Raises:
        InputError: the bytes are no text.
    """
    sample: bytes = stream.peek(SAMPLE_BYTES)  # type: ignore[attr-defined]
    encoding = detect_encoding(sample, name=name)
    if encoding.startswith("utf-16"):
        for text in io.TextIOWrapper(stream, encoding=encoding, errors="replace", newline="\n"):
            yield _without_end(text), "\ufffd" in text
        return
    is_decided = not sample.isascii()
    for data in stream:
        if not is_decided and not data.isascii():
            encoding, is_decided = detect_encoding(data, name=name), True
        try:
            yield _without_end(data.decode(encoding)), False
        except UnicodeDecodeError:
            yield _without_end(data.decode(encoding, "replace")), True


def _without_end(line: str) -> str:
    return line.removeprefix("\ufeff").removesuffix("\n").removesuffix("\r")


@dataclass(frozen=True, slots=True)
class _Reading:
    """How a sample reads in one encoding.

    Attributes:
        damage: share of characters that could not be read, in [0, 1].
        score: larger is likelier; compares readings of one sample only.
    """

    damage: float
    score: float


def _is_utf8(sample: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")("strict").decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def _reading(sample: bytes, encoding: Encoding) -> _Reading:
    text = _decoded(sample, encoding)
    foreign = [character for character in text if character > "\x7f"]
    if not foreign:
        # Plain ASCII in UTF-16: every other byte is NUL, and the wrong byte order would not be ASCII.
        return _Reading(0.0, 1.0)
    damaged = foreign.count("\ufffd")
    common = sum(character in _COMMON for character in foreign) / len(foreign)
    usual = sum(character in _usual_characters() for character in foreign) / len(foreign)
    return _Reading(damaged / len(text), common + usual / 2 - 2 * damaged / len(foreign))


def _decoded(sample: bytes, encoding: Encoding) -> str:
    # Incremental, so that a character cut off by the end of the sample is left out and not replaced.
    return codecs.getincrementaldecoder(encoding)("replace").decode(sample)


def _possible(sample: bytes) -> tuple[Encoding, ...]:
    # A NUL byte is no text but in UTF-16, where a space or line end brings one.
    return ("utf-16-le", "utf-16-be") if b"\0" in sample else _CANDIDATES


def _refuse_nonsense(sample: bytes, encoding: Encoding, name: str) -> Encoding:
    """`encoding` if what it reads is text."""
    text = _decoded(sample, encoding)
    controls = sum(character < " " and character not in "\t\n\v\f\r\x1b" for character in text)
    if controls > len(text) * 0.02:
        raise InputError("not a text file: it is full of control characters", where=name)
    # Any bytes read as UTF-16, and what looks like its mark may be chance: an eighth would be unassigned.
    unassigned = sum(unicodedata.category(character) in ("Cn", "Co") for character in text)
    if encoding.startswith("utf-16") and unassigned > len(text) * 0.05:
        raise InputError("not a text file: it is full of unassigned characters", where=name)
    return encoding


@cache
def _usual_characters() -> frozenset[str]:
    """The everyday Hanzi (first levels of GB 2312 and Big5) and Chinese punctuation."""
    gb = bytes(byte for row in range(0xB0, 0xD8) for cell in range(0xA1, 0xFF) for byte in (row, cell))
    cells = (*range(0x40, 0x7F), *range(0xA1, 0xFF))
    big5 = bytes(byte for row in range(0xA4, 0xC7) for cell in cells for byte in (row, cell))
    marks = "，。、；：？！“”‘’（）《》〈〉「」『』【】—…·　％０１２３４５６７８９"
    return frozenset(gb.decode("gb2312", "ignore") + big5.decode("big5", "ignore") + marks) - {"\ufffd"}
