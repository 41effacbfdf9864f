"""Where things are while a corpus is being cleaned: the number of a document, the files of a unit.

A document's number is made of its file, its block of the file and its record in the block. Numbers grow in
the order of the raw files, so that of duplicates the smallest is the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_RECORD_BITS, _BLOCK_BITS = 22, 20
MAX_FILES = 1 << 21
# The number of a document shifted by so many bits is the number of its file.
FILE_SHIFT = _BLOCK_BITS + _RECORD_BITS


def doc_number(file: int, block: int, record: int = 0) -> int:
    """The number of a document.

    Args:
        file, block, record: from 0.
    """
    assert block < 1 << _BLOCK_BITS and file < MAX_FILES, "a block is megabytes, so a file has fewer"
    return (((file << _BLOCK_BITS) | block) << _RECORD_BITS) | record


@dataclass(frozen=True, slots=True)
class UnitFiles:
    """The names of what is kept of one unit of the first phase.

    Attributes:
        folder: of the bundle of raw files the unit was read from.
        number: of the unit.
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
        """Counts; the unit is done when this is there."""
        return self.folder / f"{self.number:06d}.json"
