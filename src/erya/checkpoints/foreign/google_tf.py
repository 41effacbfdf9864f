"""Reader of TensorFlow checkpoints (format V2: an index and data files) without TensorFlow.

`NAME.index` is a table of names; each value says in which data file, `NAME.data-00000-of-00001`, and at which
byte a tensor lies. Both are checked by checksums.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from erya.checkpoints.foreign.crc32c import masked_crc32c
from erya.checkpoints.foreign.protobuf import fields
from erya.checkpoints.foreign.sstable import read_table
from erya.errors import CheckpointError

INDEX_SUFFIX = ".index"
_HEADER_KEY = b""
# Pieces of variables that were cut over several machines have keys that begin with this byte.
_PIECE_MARK = b"\x00"
_BFLOAT16 = 14
# TensorFlow's numbers of number formats (types.proto).
_DTYPES = {1: "f4", 2: "f8", 3: "i4", 4: "u1", 5: "i2", 6: "i1", 9: "i8", 10: "?", 19: "f2", _BFLOAT16: "u2"}
_STRING = 7


@dataclass(frozen=True, slots=True)
class BundleEntry:
    """Where a tensor lies.

    Attributes:
        dtype: TensorFlow's number of its number format.
        shape: its shape.
        shard: the number of its data file.
        offset: its first byte there.
        size: how many bytes it has.
        checksum: the masked CRC-32C of these bytes.
        is_cut: whether it is stored in pieces elsewhere.
    """

    dtype: int = 0
    shape: tuple[int, ...] = ()
    shard: int = 0
    offset: int = 0
    size: int = 0
    checksum: int = 0
    is_cut: bool = False


class TensorFlowCheckpoint(Mapping[str, np.ndarray]):
    """Tensors by the names TensorFlow gave them; each is read, and its checksum checked, when asked for.

    Args:
        prefix: the path without `.index`.
    Raises:
        CheckpointError: the index is damaged, or a data file is missing or shorter than the index says.
    Source: TensorFlow, core/util/tensor_bundle and core/protobuf/tensor_bundle.proto.
    """

    def __init__(self, prefix: Path) -> None:
        self.index = prefix.with_name(prefix.name + INDEX_SUFFIX)
        if not self.index.is_file():
            raise CheckpointError(
                f"the index {self.index.name} is missing", where=str(prefix.parent), hint="fetch it too"
            )
        table = read_table(self.index)
        if _HEADER_KEY not in table:
            raise CheckpointError("the index has no header", where=str(self.index))
        try:
            num_shards, self._order = _header(table.pop(_HEADER_KEY))
            entries = {key: _entry(value) for key, value in table.items() if key[:1] != _PIECE_MARK}
        except (ValueError, TypeError) as error:
            raise CheckpointError(
                f"an entry of the index is damaged: {error}", where=str(self.index)
            ) from None
        self._entries = {key.decode("utf-8", "replace"): entry for key, entry in entries.items()}
        self.files = tuple(
            prefix.with_name(f"{prefix.name}.data-{shard:05d}-of-{num_shards:05d}")
            for shard in range(num_shards)
        )
        self._require_whole()

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every tensor, without reading any; what is not numbers is left out."""
        return {name: entry.shape for name, entry in self._entries.items() if entry.dtype != _STRING}

    def __getitem__(self, name: str) -> np.ndarray:
        entry = self._entries[name]
        path = self.files[entry.shard]
        dtype = self._require_readable(name, entry)
        data = np.fromfile(path, np.uint8, count=entry.size, offset=entry.offset)
        if masked_crc32c(data) != entry.checksum:
            raise CheckpointError(
                f"the checksum of {name} is wrong: bytes {entry.offset} to {entry.offset + entry.size} of the"
                " data file are damaged",
                where=str(path),
                hint="fetch the file again",
            )
        values = data.view(dtype).reshape(entry.shape)
        if entry.dtype == _BFLOAT16:
            return (values.astype(np.uint32) << 16).view(np.float32)
        return values.astype(dtype.newbyteorder("="), copy=False)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries  # a mapping's own would read the tensor

    def __len__(self) -> int:
        return len(self._entries)

    def _require_whole(self) -> None:
        """Check that all data files are there and as long as the index says."""
        for path in self.files:
            if not path.is_file():
                raise CheckpointError(
                    f"the data file {path.name} is missing, which the index names",
                    where=str(self.index),
                    hint="fetch it into the same folder",
                )
        sizes = [path.stat().st_size for path in self.files]
        by_place = sorted(self._entries.items(), key=lambda item: (item[1].shard, item[1].offset))
        for name, entry in by_place:
            if entry.shard >= len(sizes):
                raise CheckpointError(
                    f"{name} is in data file {entry.shard}, of {len(sizes)}", where=str(self.index)
                )
            end = entry.offset + entry.size
            if not entry.is_cut and end > sizes[entry.shard]:
                raise CheckpointError(
                    f"the data file is cut short: it has {sizes[entry.shard]} bytes, but {name} lies in bytes"
                    f" {entry.offset} to {end}",
                    where=str(self.files[entry.shard]),
                    hint="fetch the file again; one of some 130 bytes is a Git LFS pointer: run git lfs pull",
                )

    def _require_readable(self, name: str, entry: BundleEntry) -> np.dtype[np.generic]:
        """The number format of an entry that can be read."""
        where = str(self.index)
        if entry.is_cut:
            raise CheckpointError(
                f"{name} is stored in pieces, as large clusters do",
                where=where,
                hint="load it in TensorFlow and save it again on one machine",
            )
        if entry.dtype not in _DTYPES:
            raise CheckpointError(
                f"{name} has number format {entry.dtype} of TensorFlow's, which is not read", where=where
            )
        dtype = np.dtype(self._order + _DTYPES[entry.dtype])
        wanted = int(np.prod(entry.shape, dtype=np.int64)) * dtype.itemsize
        if wanted != entry.size:
            raise CheckpointError(
                f"{name} has shape {entry.shape}, which takes {wanted} bytes, but {entry.size} are stored",
                where=where,
            )
        return dtype


def _header(message: bytes) -> tuple[int, str]:
    """(number of data files, byte order as numpy writes it) from a `BundleHeaderProto`."""
    values = dict(fields(message))
    return _number(values.get(1, 1)), ">" if values.get(2) == 1 else "<"


def _entry(message: bytes) -> BundleEntry:
    """A `BundleEntryProto`. Fields that are zero are not written."""
    values: dict[int, int | bytes] = {}
    for number, value in fields(message):
        values[number] = value
    shape = values.get(2, b"")
    if not isinstance(shape, bytes):
        raise ValueError("a shape is not a message")
    dtype, shard, offset, size, checksum = (_number(values.get(number, 0)) for number in (1, 3, 4, 5, 6))
    return BundleEntry(dtype, _shape(shape), shard, offset, size, checksum, is_cut=7 in values)


def _shape(message: bytes) -> tuple[int, ...]:
    """A `TensorShapeProto`: its second field is a dimension, whose first field is the size."""
    dimensions = [
        dict(fields(value)) for number, value in fields(message) if number == 2 and isinstance(value, bytes)
    ]
    return tuple(_number(dimension.get(1, 0)) for dimension in dimensions)


def _number(value: int | bytes) -> int:
    if isinstance(value, bytes):
        raise ValueError("a number is not one")
    return value
