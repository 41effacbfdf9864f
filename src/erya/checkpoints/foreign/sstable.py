"""Reader of LevelDB's tables of sorted keys, the format of a TensorFlow checkpoint's index.

A table is a run of blocks, each followed by a byte that names its compression and by a checksum; the last 48
bytes, the footer, say where the block is that lists all others.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from erya.checkpoints.foreign.crc32c import masked_crc32c
from erya.checkpoints.foreign.protobuf import read_varint
from erya.errors import CheckpointError

_MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)
_FOOTER_BYTES = 48
_TRAILER_BYTES = 5  # the compression, four bytes of checksum
_COMPRESSIONS = {1: "snappy", 2: "zlib", 4: "zstd"}


def is_table(path: Path) -> bool:
    """Whether a file ends as a table does."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - len(_MAGIC)))
        return file.read() == _MAGIC


def read_table(path: Path) -> dict[bytes, bytes]:
    """All keys of a table and their values, in order.

    Raises:
        CheckpointError: the file is cut short, is not a table, is compressed, or a checksum is wrong; the
            message names the byte.
    Source: LevelDB, doc/table_format.md.
    """
    data = path.read_bytes()
    entries: dict[bytes, bytes] = {}
    for _, handle in _block(path, data, *_index_handle(path, data)):
        entries.update(_block(path, data, *_handle(handle)))
    return entries


def _index_handle(path: Path, data: bytes) -> tuple[int, int]:
    """Where the block is that lists all others: (byte, number of bytes)."""
    start = len(data) - _FOOTER_BYTES
    if start < 0:
        raise CheckpointError(
            f"the index is cut short: it has {len(data)} bytes, its footer alone has {_FOOTER_BYTES}",
            where=str(path),
            hint="fetch the file again",
        )
    if data[-len(_MAGIC) :] != _MAGIC:
        raise CheckpointError(
            f"wrong magic number at byte {len(data) - len(_MAGIC)}: the file is cut short, or is no index of"
            " a TensorFlow checkpoint",
            where=str(path),
            hint="fetch the file again; one of some 130 bytes is a Git LFS pointer: run git lfs pull",
        )
    try:
        _, at = read_varint(data, start)  # the metaindex, which TensorFlow leaves empty: byte,
        _, at = read_varint(data, at)  # number of bytes
        offset, at = read_varint(data, at)
        return offset, read_varint(data, at)[0]
    except ValueError as error:
        raise _damaged(path, start, str(error)) from None


def _handle(value: bytes) -> tuple[int, int]:
    offset, at = read_varint(value, 0)
    return offset, read_varint(value, at)[0]


def _block(path: Path, data: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of one block, checked."""
    end = offset + size
    if end + _TRAILER_BYTES > len(data):
        raise _damaged(
            path, offset, f"a block of {size} bytes reaches past the end of the file, at byte {len(data)}"
        )
    if compression := data[end]:
        name = _COMPRESSIONS.get(compression, f"number {compression}")
        raise CheckpointError(
            f"the block at byte {offset} is compressed ({name}); TensorFlow does not compress an index",
            where=str(path),
        )
    checksum = struct.unpack_from("<I", data, end + 1)[0]
    if masked_crc32c(np.frombuffer(data, np.uint8, size + 1, offset)) != checksum:
        raise _damaged(path, offset, f"the checksum of a block of {size} bytes is wrong")
    try:
        yield from _entries(data[offset:end])
    except (ValueError, struct.error) as error:
        raise _damaged(path, offset, str(error)) from None


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a block. A key repeats the start of the one before it by length only."""
    num_restarts = struct.unpack_from("<I", block, len(block) - 4)[0]
    end = len(block) - 4 * (num_restarts + 1)
    at, key = 0, b""
    while at < end:
        shared, at = read_varint(block, at)
        own, at = read_varint(block, at)
        size, at = read_varint(block, at)
        if shared > len(key) or at + own + size > end:
            raise ValueError("an entry does not fit its block")
        key = key[:shared] + block[at : at + own]
        at += own + size
        yield key, block[at - size : at]


def _damaged(path: Path, byte: int, problem: str) -> CheckpointError:
    return CheckpointError(
        f"the index is damaged at byte {byte}: {problem}", where=str(path), hint="fetch the file again"
    )
