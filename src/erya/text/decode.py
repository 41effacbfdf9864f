"""Bytes to text: which encoding is this, and is it text at all."""

from __future__ import annotations

import codecs
import io
import unicodedata
from collections.abc import Iterator
from typing import IO, Literal

from erya.errors import InputError
from erya.text.encodings import ONE_BYTE_UNITS, UTF16, Encoding
from erya.text.likeness import LOOKS_CHINESE, Likeness, likeness
from erya.text.mend import main_encoding, may_hold_utf8, mend_line

SAMPLE_BYTES = 1 << 16
# Above this share of damaged characters what does not look very Chinese is not text in that encoding.
_MAX_DAMAGE = 0.1
_MIN_SCORE = 0.2
_BOMS: tuple[tuple[bytes, Encoding], ...] = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# ASCII with so few other characters is text, whatever these were meant to be.
_MAX_STRAY_DAMAGE = 0.01
# So large a share of NUL bytes may have strayed into a text.
_MAX_STRAYS = 0.1
_FORMATS = (
    (b"%PDF", "a PDF", "extract its text first, for example with pdftotext"),
    (b"PK\x03\x04", "a zip archive or office document", "unpack it first"),
    (b"\x1f\x8b", "compressed by gzip", "give it the suffix .gz"),
    (b"\xfd7zXZ", "compressed by xz", "give it the suffix .xz"),
    (b"BZh", "compressed by bzip2", "give it the suffix .bz2"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", "give it the suffix .zst"),
    (b"PAR1", "a Parquet file", "give it the suffix .parquet"),
)


def detect_encoding(sample: bytes, *, name: str = "the input") -> Encoding:
    """The encoding of a text that begins with `sample`.

    A byte-order mark decides; then valid UTF-8; otherwise the candidate whose reading looks most like
    Chinese: few damaged characters, many of the everyday ones. A few stray NUL bytes do not count.

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
    sample = _without_strays(sample[:SAMPLE_BYTES])
    has_nuls = b"\0" in sample
    if not has_nuls and _is_utf8(sample):
        return _refuse_nonsense(sample, "utf-8", name)
    candidates = UTF16 if has_nuls else (*ONE_BYTE_UNITS, *UTF16)
    readings = {encoding: _reading(sample, encoding) for encoding in candidates}
    best = max(readings, key=lambda encoding: readings[encoding].score)
    like = readings[best]
    is_damaged = like.damage > _MAX_DAMAGE and like.score < LOOKS_CHINESE
    is_refused = is_damaged or like.score < _MIN_SCORE
    if not has_nuls and (is_refused or may_hold_utf8(sample, best)):
        # Lines of several encodings: the damaged reading of the whole says little.
        mixed = main_encoding(sample)
        if mixed is None and readings["utf-8"].damage <= _MAX_STRAY_DAMAGE:
            mixed = "utf-8"
        best, is_refused = mixed or best, is_refused and mixed is None
    if is_refused:
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
        A line, and whether U+FFFD stands in it for bytes that could not be read. A line in another
        encoding than the first ones is read in its own.
    Raises:
        InputError: the bytes are no text.
    """
    sample: bytes = stream.peek(SAMPLE_BYTES)  # type: ignore[attr-defined]
    encoding = detect_encoding(sample, name=name)
    if encoding in UTF16:
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
            mended = mend_line(data, encoding)
            yield _without_end(mended.text), mended.bad_bytes > 0


def _without_end(line: str) -> str:
    return line.removeprefix("\ufeff").removesuffix("\n").removesuffix("\r")


def _is_utf8(sample: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")("strict").decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def _decoded(sample: bytes, encoding: Encoding) -> str:
    # Incremental, so that a character cut off by the end of the sample is left out and not replaced.
    return codecs.getincrementaldecoder(encoding)("replace").decode(sample)


def _without_strays(sample: bytes) -> bytes:
    """The sample without NUL bytes if these are strays in a text of one-byte units, otherwise as it is.

    In UTF-16 they are no strays: every space, line end or other ASCII character has one.
    """
    plain = sample.replace(b"\0", b"")
    num_nuls = len(sample) - len(plain)
    if not num_nuls:
        return sample
    in_utf16 = max(_reading(sample, encoding).score for encoding in UTF16)
    is_utf8 = _is_utf8(plain)
    if is_utf8 and num_nuls <= len(sample) * _MAX_STRAYS and in_utf16 < LOOKS_CHINESE:
        return plain
    readings = [_reading(plain, encoding) for encoding in (("utf-8",) if is_utf8 else ONE_BYTE_UNITS)]
    best = max(readings, key=lambda reading: reading.score)
    is_chinese = best.foreign > 0 and best.score >= LOOKS_CHINESE
    return plain if is_chinese and best.score > in_utf16 else sample


def _reading(sample: bytes, encoding: Encoding) -> Likeness:
    return likeness(_decoded(sample, encoding))


def _refuse_nonsense(sample: bytes, encoding: Encoding, name: str) -> Encoding:
    """`encoding` if what it reads is text."""
    raw = _decoded(sample, encoding)
    text = raw.replace("\0", "")
    if encoding in UTF16 and len(raw) - len(text) > len(raw) * _MAX_STRAYS:
        raise InputError("not a text file: it is full of NUL characters", where=name)
    controls = sum(character < " " and character not in "\t\n\v\f\r\x1b" for character in text)
    if controls > len(text) * 0.02:
        raise InputError("not a text file: it is full of control characters", where=name)
    # Any bytes read as UTF-16, and what looks like its mark may be chance: an eighth would be unassigned.
    unassigned = sum(unicodedata.category(character) in ("Cn", "Co") for character in text)
    if encoding in UTF16 and unassigned > len(text) * 0.05:
        raise InputError("not a text file: it is full of unassigned characters", where=name)
    return encoding
