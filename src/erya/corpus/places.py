"""Where a document comes from, as one number: its file, its block of the file, its record in the block.

Numbers grow in the order of the raw files, so that of duplicates the smallest is the first.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from erya.corpus.read.files import RawFile

_RECORD_BITS, _BLOCK_BITS = 22, 20
MAX_FILES = 1 << 21


def doc_numbers(file: int, block: int, records: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers of some documents of a block, int64, shape (D,).

    Args:
        file, block: from 0.
        records: which of the block's records they are, from 0, int64, shape (D,).
    """
    assert block < 1 << _BLOCK_BITS and file < MAX_FILES, "a block is megabytes, so a file has fewer"
    return (((file << _BLOCK_BITS) | block) << _RECORD_BITS) | records


def file_and_block(doc: int) -> tuple[int, int]:
    """The file and the block of a document."""
    return doc >> (_BLOCK_BITS + _RECORD_BITS), (doc >> _RECORD_BITS) & ((1 << _BLOCK_BITS) - 1)


@dataclass(frozen=True, slots=True)
class BlockFiles:
    """The names of what is kept of one block while a corpus is being cleaned.

    Attributes:
        folder: of the file the block is part of.
        number: of the block.
    """

    folder: Path
    number: int

    @property
    def texts(self) -> Path:
        """Cleaned documents."""
        return self.folder / f"{self.number:06d}.texts.parquet"

    @property
    def signatures(self) -> Path:
        """What near-duplicates are found by."""
        return self.folder / f"{self.number:06d}.signatures.parquet"

    @property
    def lines(self) -> Path:
        """Hashes of lines."""
        return self.folder / f"{self.number:06d}.lines.parquet"

    @property
    def summary(self) -> Path:
        """Counts; the block is done when this is there."""
        return self.folder / f"{self.number:06d}.json"


def folder_name(file: RawFile) -> str:
    """A name that tells a file, at its place among the others, from every other and from its own past."""
    said = repr((file.path, file.stamp, file.format, file.encoding, file.unit))
    return f"{file.number:07d}-{hashlib.sha256(said.encode()).hexdigest()[:12]}"
