"""The encodings that Chinese text comes in."""

from __future__ import annotations

from typing import Literal

Encoding = Literal["utf-8", "gb18030", "big5hkscs", "utf-16-le", "utf-16-be"]

# Line ends and ASCII are one byte in these, so that a file can be cut into lines unread.
ONE_BYTE_UNITS: tuple[Encoding, ...] = ("utf-8", "gb18030", "big5hkscs")
UTF16: tuple[Encoding, ...] = ("utf-16-le", "utf-16-be")


def strictly(data: bytes, encoding: Encoding) -> str | None:
    """`data` as text, None if any of it is damaged."""
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None
