"""Writing a shard: tokens and their bits appended in order, hashed on the way, nothing half-written."""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from erya.data.shards import BITS, PAIR_STARTS, TOKENS, ShardInfo
from erya.data.splits import Split
from erya.files import publish_directory, storage_error


def _no_pairs() -> NDArray[np.int64]:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class TokenBlock:
    """Some consecutive tokens, N of them.

    Attributes:
        ids: unsigned integers, shape (N,).
        word_starts, sentence_ends, document_ends: bool, shape (N,).
        unknown_tokens: how many of the tokens are [UNK].
        pair_starts: which of the tokens begin the second text of a pair, ascending, int64, shape (P,).
    """

    ids: NDArray[np.unsignedinteger]
    word_starts: NDArray[np.bool_]
    sentence_ends: NDArray[np.bool_]
    document_ends: NDArray[np.bool_]
    unknown_tokens: int
    pair_starts: NDArray[np.int64] = field(default_factory=_no_pairs)


class ShardWriter:
    """Fill one shard, which gets its name only when it is whole.

    Args:
        path: the directory to make. One of that name is replaced: a killed run may have left it.
        split: of the text.
        dtype: how an id is stored.
    """

    def __init__(self, path: Path, split: Split, dtype: Literal["uint16", "uint32"]) -> None:
        self._path, self._split = path, split
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._aside = path.with_name(f".{path.name}.{os.getpid()}.partial")
        self._tokens = self._unknown = self._pairs = 0
        try:
            shutil.rmtree(self._aside, ignore_errors=True)
            self._aside.mkdir(parents=True)
            self._ids = _HashedFile(self._aside / TOKENS)
            self._bits = {name: _BitFile(self._aside / name) for name in BITS}
            self._pair_starts: _HashedFile | None = None
        except OSError as error:
            raise storage_error(error, path) from error

    def write(self, block: TokenBlock) -> None:
        """Append some tokens.

        Raises:
            StorageError: the disk refuses.
        """
        try:
            self._ids.write(block.ids.astype(self._dtype, copy=False))
            marks = (block.word_starts, block.sentence_ends, block.document_ends)
            for file, bits in zip(self._bits.values(), marks, strict=True):
                file.write(bits)
            if len(block.pair_starts):
                self._pair_starts = self._pair_starts or _HashedFile(self._aside / PAIR_STARTS)
                self._pair_starts.write((block.pair_starts + self._tokens).astype("<i8", copy=False))
        except OSError as error:
            raise storage_error(error, self._path) from error
        self._tokens += len(block.ids)
        self._unknown += block.unknown_tokens
        self._pairs += len(block.pair_starts)

    def finish(self) -> ShardInfo | None:
        """Give the shard its name; says what it holds, or None if it got no token and there is none.

        Raises:
            StorageError: the disk refuses.
        """
        if not self._tokens:
            self.abandon()
            return None
        try:
            hashes = {TOKENS: self._ids.finish()}
            hashes |= {name: file.finish() for name, file in self._bits.items()}
            if self._pair_starts is not None:
                hashes[PAIR_STARTS] = self._pair_starts.finish()
            shutil.rmtree(self._path, ignore_errors=True)
        except OSError as error:
            raise storage_error(error, self._path) from error
        publish_directory(self._aside, self._path, replace=False, marker=None)
        words, sentences, documents = (file.ones for file in self._bits.values())
        return ShardInfo(
            name=self._path.name,
            split=self._split,
            tokens=self._tokens,
            words=words,
            sentences=sentences,
            documents=documents,
            unknown_tokens=self._unknown,
            pairs=self._pairs,
            sha256=hashes,
        )

    def abandon(self) -> None:
        """Let go of the files and remove them; does nothing once the shard has its name."""
        for file in (self._ids, *self._bits.values(), self._pair_starts):
            if file is not None:
                file.close()
        shutil.rmtree(self._aside, ignore_errors=True)


class _HashedFile:
    """A file whose sha256 is known when it is written."""

    def __init__(self, path: Path) -> None:
        self._stream: BinaryIO = path.open("wb")
        self._hash = hashlib.sha256()

    def write(self, values: NDArray[np.generic]) -> None:
        data = np.ascontiguousarray(values).data
        self._hash.update(data)
        self._stream.write(data)

    def finish(self) -> str:
        self._stream.close()
        return self._hash.hexdigest()

    def close(self) -> None:
        """Let go of the file, whether or not the disk takes what is left."""
        with suppress(OSError):
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
        self._file.write(np.packbits(bits[:whole], bitorder="little"))
        self._rest = bits[whole:].copy()

    def finish(self) -> str:
        self._file.write(np.packbits(self._rest, bitorder="little"))
        return self._file.finish()

    def close(self) -> None:
        self._file.close()
