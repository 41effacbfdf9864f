"""Writing shards: tokens and their bits appended in order, hashed on the way."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from erya.data.shards import BITS, TOKENS, ShardInfo
from erya.data.splits import Split

SHARD_TOKENS = 1 << 27


@dataclass(frozen=True, slots=True)
class TokenBlock:
    """Whole documents as N tokens.

    Attributes:
        ids: unsigned integers, shape (N,).
        word_starts, sentence_ends, document_ends: bool, shape (N,).
        unknown_tokens: how many of the tokens are [UNK].
    """

    ids: NDArray[np.unsignedinteger]
    word_starts: NDArray[np.bool_]
    sentence_ends: NDArray[np.bool_]
    document_ends: NDArray[np.bool_]
    unknown_tokens: int


class ShardsWriter:
    """Fill a directory with the shards of one split, a new one whenever the last is large enough.

    Args:
        directory: one that appears only when whole (`erya.files.atomic_directory`).
        split: of the text.
        dtype: how an id is stored.
        shard_tokens: a shard takes no further block once it has this many tokens.
    """

    def __init__(
        self,
        directory: Path,
        split: Split,
        dtype: Literal["uint16", "uint32"],
        *,
        shard_tokens: int = SHARD_TOKENS,
    ) -> None:
        self._directory, self._split, self._dtype = directory, split, dtype
        self._shard_tokens = shard_tokens
        self._done: list[ShardInfo] = []
        self._open: _OpenShard | None = None

    def write(self, block: TokenBlock) -> None:
        """Append some documents."""
        if not len(block.ids):
            return
        if self._open is None:
            self._open = _OpenShard(self._directory / f"{self._split}-{len(self._done):05d}", self._dtype)
        self._open.append(block)
        if self._open.tokens >= self._shard_tokens:
            self._close_shard()

    def finish(self) -> tuple[ShardInfo, ...]:
        """Close the last shard; gives what all hold."""
        self._close_shard()
        return tuple(self._done)

    def abandon(self) -> None:
        """Let go of the files without finishing."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _close_shard(self) -> None:
        if self._open is not None:
            self._done.append(self._open.finish(self._split))
            self._open = None


class _OpenShard:
    def __init__(self, path: Path, dtype: str) -> None:
        path.mkdir()
        self._path, self._dtype = path, np.dtype(dtype).newbyteorder("<")
        self._ids = _HashedFile(path / TOKENS)
        self._bits = {name: _BitFile(path / name) for name in BITS}
        self.tokens = self._unknown = 0

    def append(self, block: TokenBlock) -> None:
        self._ids.write(block.ids.astype(self._dtype, copy=False).tobytes())
        marks = (block.word_starts, block.sentence_ends, block.document_ends)
        for file, bits in zip(self._bits.values(), marks, strict=True):
            file.write(bits)
        self.tokens += len(block.ids)
        self._unknown += block.unknown_tokens

    def finish(self, split: Split) -> ShardInfo:
        hashes = {TOKENS: self._ids.finish()} | {name: file.finish() for name, file in self._bits.items()}
        words, sentences, documents = (file.ones for file in self._bits.values())
        return ShardInfo(
            name=self._path.name,
            split=split,
            tokens=self.tokens,
            words=words,
            sentences=sentences,
            documents=documents,
            unknown_tokens=self._unknown,
            sha256=hashes,
        )

    def close(self) -> None:
        self._ids.close()
        for file in self._bits.values():
            file.close()


class _HashedFile:
    """A file whose sha256 is known when it is written."""

    def __init__(self, path: Path) -> None:
        self._stream: BinaryIO = path.open("wb")
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> None:
        self._hash.update(data)
        self._stream.write(data)

    def finish(self) -> str:
        self.close()
        return self._hash.hexdigest()

    def close(self) -> None:
        self._stream.close()


class _BitFile:
    """Bits appended in pieces of any length; those that do not fill a byte yet wait."""

    def __init__(self, path: Path) -> None:
        self._file = _HashedFile(path)
        self._rest = np.zeros(0, dtype=np.bool_)
        self.ones = 0

    def write(self, bits: NDArray[np.bool_]) -> None:
        self.ones += int(np.count_nonzero(bits))
        bits = np.concatenate([self._rest, bits])
        whole = len(bits) // 8 * 8
        self._file.write(np.packbits(bits[:whole], bitorder="little").tobytes())
        self._rest = bits[whole:]

    def finish(self) -> str:
        self._file.write(np.packbits(self._rest, bitorder="little").tobytes())
        return self._file.finish()

    def close(self) -> None:
        self._file.close()
