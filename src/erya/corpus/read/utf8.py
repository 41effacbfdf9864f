"""Raw bytes before they are cut: no byte-order mark, UTF-16 as UTF-8, so that a line feed is one byte."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator

from erya.text.encodings import UTF16, Encoding

# No UTF-8 has this byte.
_DAMAGE = b"\xff"
_HALVES = re.compile("[\ud800-\udfff]")
_GB18030_MARK = "\ufeff".encode("gb18030")


def one_byte_units(pieces: Iterable[bytes], encoding: Encoding) -> tuple[Encoding, Iterator[bytes]]:
    """The pieces without byte-order mark, and what they are in: UTF-8 where they were UTF-16.

    Damage stays damage: half a surrogate pair, or an odd last byte, becomes a byte that no UTF-8 has.
    """
    if encoding in UTF16:
        return "utf-8", _without_mark(_utf16_as_utf8(pieces, encoding), codecs.BOM_UTF8)
    return encoding, _without_mark(pieces, _GB18030_MARK if encoding == "gb18030" else codecs.BOM_UTF8)


def in_chunks(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in chunks of exactly `size`, but for the last, whatever the size of the pieces."""
    held: list[bytes] = []
    num_bytes = 0
    for piece in pieces:
        held.append(piece)
        num_bytes += len(piece)
        if num_bytes < size:
            continue
        data = b"".join(held)
        whole = num_bytes // size * size
        for start in range(0, whole, size):
            yield data[start : start + size]
        held, num_bytes = [data[whole:]], num_bytes - whole
    if num_bytes:
        yield b"".join(held)


def _utf16_as_utf8(pieces: Iterable[bytes], encoding: Encoding) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
    for piece in pieces:
        yield _utf8(decoder.decode(piece))
    rest = decoder.getstate()[0]
    whole = len(rest) // 2 * 2
    yield _utf8(rest[:whole].decode(encoding, "surrogatepass")) + _DAMAGE * (len(rest) - whole)


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return _DAMAGE.join(part.encode("utf-8") for part in _HALVES.split(text))


def _without_mark(pieces: Iterable[bytes], mark: bytes) -> Iterator[bytes]:
    for number, piece in enumerate(pieces):
        yield piece.removeprefix(mark) if number == 0 else piece
