"""Documents: cleaned text with its word and sentence boundaries, before any tokenizer.

A documents directory holds Parquet parts (`train-00000.parquet`, `heldout-00000.parquet`, ...) and
`documents.json`, which lists them. Parts are cut into row groups of about two million characters, the
unit that worker processes read.

    text           string  the cleaned text, C characters
    source, title  string  where it comes from; the title may be null
    pair_start     int32   of a parallel pair the character at which the second text begins; else null
    word_starts    binary  C bits, first bit lowest: a word begins at this character
    sentence_ends  binary  C bits: a sentence ends with this character
    script         string  "simplified", "traditional", "mixed", "neutral" or "none": see `text.script_of`
    cluster        uint64  the same for documents that are duplicates of each other
    split          string  "train" or "heldout", drawn by cluster
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from erya.config import StrictModel
from erya.data.splits import SPLITS, Split
from erya.errors import InputError
from erya.files import atomic_write
from erya.text.script_of import Script

MANIFEST = "documents.json"
ROW_GROUP_CHARACTERS = 2_000_000
_DICTIONARY = ["source", "script", "split"]

SCHEMA = pa.schema(
    [
        pa.field("text", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("title", pa.string()),
        pa.field("pair_start", pa.int32()),
        pa.field("word_starts", pa.binary(), nullable=False),
        pa.field("sentence_ends", pa.binary(), nullable=False),
        pa.field("script", pa.string(), nullable=False),
        pa.field("cluster", pa.uint64(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class Document:
    """One cleaned document of C characters (code points).

    Attributes:
        text: the cleaned text.
        source: what it comes from, for counts and mixtures.
        title: its title, where the raw record had one.
        pair_start: of a parallel pair the character at which the second text begins, in (0, C); else None.
        word_starts: True where a word begins, bool, shape (C,); never at white space.
        sentence_ends: True at the last character of a sentence, bool, shape (C,).
        script: in which Hanzi it is written.
        cluster: the same number for documents that are duplicates of each other.
        split: `train` or `heldout`.
    """

    text: str
    source: str
    title: str | None
    word_starts: NDArray[np.bool_]
    sentence_ends: NDArray[np.bool_]
    cluster: int
    split: Split
    pair_start: int | None = None
    script: Script = "neutral"


class PartInfo(StrictModel):
    """One Parquet file: its name, its split and what each of its row groups holds."""

    file: str
    split: Split
    documents: tuple[int, ...]
    characters: tuple[int, ...]


class DocumentsManifest(StrictModel):
    """`documents.json`.

    Attributes:
        parts: the files in order.
        report: the counts of the job that wrote the directory (read, kept, dropped by reason, ...).
    """

    format_version: Literal[2] = 2
    parts: tuple[PartInfo, ...]
    report: dict[str, Any] = Field(default_factory=dict)

    def num_documents(self, split: str | None = None) -> int:
        """How many documents the directory, or one split of it, holds."""
        return sum(sum(part.documents) for part in self.parts if split in (None, part.split))

    def num_characters(self, split: str | None = None) -> int:
        """How many characters the directory, or one split of it, holds."""
        return sum(sum(part.characters) for part in self.parts if split in (None, part.split))


@dataclass(frozen=True, slots=True)
class RowGroup:
    """The unit of reading: one row group of one Parquet file. Cheap to send to a worker process."""

    path: Path
    index: int
    split: Split
    documents: int
    characters: int


def pack_bits(bits: NDArray[np.bool_]) -> bytes:
    """Booleans of shape (C,) as ceil(C / 8) bytes, first bit lowest."""
    return np.packbits(bits, bitorder="little").tobytes()


def unpack_bits(data: bytes, length: int) -> NDArray[np.bool_]:
    """The inverse of `pack_bits`, bool, shape (length,)."""
    packed = np.frombuffer(data, dtype=np.uint8)
    return np.unpackbits(packed, count=length, bitorder="little").view(np.bool_)


def read_manifest(directory: Path) -> DocumentsManifest:
    """Read `documents.json`.

    Raises:
        InputError: this is no documents directory, or another format version wrote it.
    """
    path = directory / MANIFEST
    if not path.is_file():
        raise InputError(
            f"not a documents directory: it has no {MANIFEST}",
            where=str(directory),
            hint="make one with: erya corpus clean RAW... --out DIR",
        )
    try:
        return DocumentsManifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise InputError(f"damaged or foreign: {error.errors()[0]['msg']}", where=str(path)) from None


def row_groups(directory: Path, *, split: str | None = None) -> list[RowGroup]:
    """The row groups of a documents directory in order, to be shared out among workers.

    Raises:
        InputError: this is no documents directory, or `split` is not one of its splits.
    """
    if split is not None and split not in SPLITS:
        raise InputError(f"unknown split {split!r}", hint="known: " + ", ".join(SPLITS))
    return [
        RowGroup(directory / part.file, index, part.split, documents, characters)
        for part in read_manifest(directory).parts
        if split in (None, part.split)
        for index, (documents, characters) in enumerate(zip(part.documents, part.characters, strict=True))
    ]


def read_row_group(group: RowGroup) -> Iterator[Document]:
    """The documents of one row group.

    Raises:
        InputError: the file is missing or damaged.
    """
    for row in _rows(group):
        length = len(row["text"])
        yield Document(
            text=row["text"],
            source=row["source"],
            title=row["title"],
            word_starts=unpack_bits(row["word_starts"], length),
            sentence_ends=unpack_bits(row["sentence_ends"], length),
            cluster=row["cluster"],
            split=row["split"],
            pair_start=row["pair_start"],
            script=row["script"],
        )


def read_documents(directory: Path, *, split: str | None = None) -> Iterator[Document]:
    """Every document of the directory, or of one split of it, in order, in constant memory.

    Raises:
        InputError: this is no documents directory, `split` is unknown, or a file is missing or damaged.
    """
    for group in row_groups(directory, split=split):
        yield from read_row_group(group)


class DocumentsWriter:
    """Write some consecutive documents: a part of each split that has any.

    Args:
        directory: where the parts appear, each when it is whole.
        number: which of the job's writers this is, from 0: parts are called `train-00000.parquet`.
    """

    def __init__(self, directory: Path, *, number: int = 0) -> None:
        self._parts = [_PartWriter(directory / f"{split}-{number:05d}.parquet", split) for split in SPLITS]

    def write(self, batch: pa.RecordBatch) -> None:
        """Add the rows of a batch of `SCHEMA`, each to its split, in order."""
        for part in self._parts:
            rows = batch.filter(pc.equal(batch["split"], part.split))
            if rows.num_rows:
                part.add(rows)

    def finish(self) -> tuple[PartInfo, ...]:
        """Give the parts their names; says what is in them."""
        return tuple(part.finish() for part in self._parts if not part.is_empty)

    def close(self) -> None:
        """Let go of the files without finishing: nothing appears."""
        for part in self._parts:
            part.close()


def write_manifest(
    directory: Path, parts: Iterable[PartInfo], *, report: Mapping[str, Any] | None = None
) -> DocumentsManifest:
    """Make a directory of parts one of documents.

    Args:
        directory: where the parts are.
        parts: what they hold; the training split is listed first.
        report: the counts of the job.
    """
    ordered = sorted(parts, key=lambda part: SPLITS.index(part.split))
    manifest = DocumentsManifest(parts=tuple(ordered), report=dict(report or {}))
    with atomic_write(directory / MANIFEST) as stream:
        stream.write(json.dumps(manifest.model_dump(), ensure_ascii=False, indent=1).encode())
    return manifest


class _PartWriter:
    """The part of one split: collects rows to row groups."""

    def __init__(self, path: Path, split: Split) -> None:
        self._path, self.split = path, split
        self._aside = path.with_name(f".{path.name}.partial")
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_characters = 0
        self._file: pq.ParquetWriter | None = None
        self._documents: list[int] = []
        self._characters: list[int] = []

    @property
    def is_empty(self) -> bool:
        return not (self._waiting or self._documents)

    def add(self, rows: pa.RecordBatch) -> None:
        self._waiting.append(rows)
        self._waiting_characters += pc.sum(pc.utf8_length(rows["text"])).as_py()
        if self._waiting_characters >= ROW_GROUP_CHARACTERS:
            self._flush()

    def finish(self) -> PartInfo:
        if self._waiting:
            self._flush()
        self.close()
        self._aside.replace(self._path)
        return PartInfo(
            file=self._path.name,
            split=self.split,
            documents=tuple(self._documents),
            characters=tuple(self._characters),
        )

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _flush(self) -> None:
        if self._file is None:
            self._file = pq.ParquetWriter(self._aside, SCHEMA, compression="zstd", use_dictionary=_DICTIONARY)
        table = pa.Table.from_batches(self._waiting, schema=SCHEMA)
        self._file.write_table(table, row_group_size=table.num_rows)
        self._documents.append(table.num_rows)
        self._characters.append(self._waiting_characters)
        self._waiting, self._waiting_characters = [], 0


def _rows(group: RowGroup) -> Iterator[dict[str, Any]]:
    try:
        with pq.ParquetFile(group.path) as file:
            # Small slices: turning a whole row group into Python objects at once costs ten times its size.
            for batch in file.iter_batches(batch_size=256, row_groups=[group.index]):
                yield from batch.to_pylist()
    except (OSError, pa.ArrowInvalid, KeyError, IndexError) as error:
        raise InputError(f"cannot read the documents: {error}", where=str(group.path)) from None
