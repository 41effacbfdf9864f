"""The wire format of protocol buffers: as much of it as a TensorFlow index needs."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES = 10


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned number of seven bits a byte, lowest first, and where it ends.

    Args:
        data: the bytes.
        at: where the number begins.
    Raises:
        ValueError: the bytes end within the number, or it is longer than 64 bits.
    """
    value = 0
    for shift in range(_MAX_VARINT_BYTES):
        if at >= len(data):
            raise ValueError("the bytes end within a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number is longer than 64 bits")


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of every field of a message, in the order they are written.

    Numbers come unsigned; strings, bytes and messages come as bytes.

    Raises:
        ValueError: the message is cut short or holds a kind of field that does not exist.
    Source: Protocol Buffers, Encoding.
    """
    at = 0
    while at < len(message):
        tag, at = read_varint(message, at)
        kind = tag & 7
        value: int | bytes
        if kind == _VARINT:
            value, at = read_varint(message, at)
        else:
            size, at = read_varint(message, at) if kind == _BYTES else (_fixed_size(kind), at)
            chunk = message[at : at + size]
            if len(chunk) < size:
                raise ValueError(f"field {tag >> 3} is cut short")
            at += size
            value = chunk if kind == _BYTES else struct.unpack("<I" if size == 4 else "<Q", chunk)[0]
        yield tag >> 3, value


def _fixed_size(kind: int) -> int:
    if kind not in (_FIXED64, _FIXED32):
        raise ValueError(f"there is no field of kind {kind}")
    return 4 if kind == _FIXED32 else 8
