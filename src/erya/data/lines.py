"""Lines of a UTF-8 stream with their numbers; what is in another encoding is named, never guessed at."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import IO

from erya.errors import InputError
from erya.text.decode import SAMPLE_BYTES, detect_encoding
from erya.text.encodings import UTF16, Encoding

# What iconv calls them.
_ICONV: dict[Encoding, str] = {
    "gb18030": "GB18030",
    "big5hkscs": "BIG5-HKSCS",
    "utf-16-le": "UTF-16LE",
    "utf-16-be": "UTF-16BE",
}


def numbered_lines(name: str, stream: IO[bytes]) -> Iterator[tuple[int, str]]:
    """The lines with their ends, numbered from 1; only \\n ends one. A byte-order mark is dropped.

    Args:
        name: what messages call the stream.
        stream: UTF-8.
    Raises:
        InputError: it is binary, or a line is not UTF-8; the message names the likely encoding.
    """
    for number, raw in enumerate(stream, 1):
        line = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
        if b"\0" in line:
            raise _not_text(raw + stream.read(SAMPLE_BYTES), f"{name}, line {number}")
        try:
            yield number, line.decode("utf-8")
        except UnicodeDecodeError:
            raise _not_utf8(raw, stream.read(SAMPLE_BYTES), f"{name}, line {number}") from None


def _not_text(sample: bytes, where: str) -> InputError:
    """The error for bytes with NUL in them: UTF-16, or no text at all."""
    encoding = _likely(sample)
    if encoding in UTF16:
        return _in(encoding, where)
    return InputError("a binary file, text is wanted", where=where)


def _not_utf8(line: bytes, rest: bytes, where: str) -> InputError:
    """The error for a line that cannot be read; what follows it helps to tell the encoding."""
    encoding = _likely(line + rest)
    if encoding == "utf-8":  # the line alone is in another one
        encoding = _likely(line)
    if encoding in _ICONV:
        return _in(encoding, where)
    return InputError(
        "not UTF-8 text", where=where, hint="the bytes are damaged: fetch the file again, or mend the line"
    )


def _in(encoding: Encoding | None, where: str) -> InputError:
    name = _ICONV[encoding] if encoding is not None else ""
    return InputError(
        f"not UTF-8 text: this looks like {name}",
        where=where,
        hint=f"convert the file first: iconv -f {name} -t UTF-8 OLD > NEW",
    )


def _likely(sample: bytes) -> Encoding | None:
    try:
        return detect_encoding(sample)
    except InputError:
        return None
