"""Raw files in blocks of whole documents, in constant memory: the units of work."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from erya.corpus.read.cutting import cut
from erya.corpus.read.ends import CsvEnds, Ends, FileEnds, LineEnds, ParagraphEnds, WikiEnds
from erya.corpus.read.files import RawFile
from erya.corpus.read.options import Unit
from erya.corpus.read.parquet import parquet_parts
from erya.corpus.read.storage import open_stored, read_pieces
from erya.corpus.read.utf8 import in_chunks, one_byte_units
from erya.text.encodings import Encoding

BLOCK_BYTES = 4 << 20
MAX_DOCUMENT_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Block:
    """Some whole documents of a file, about 4 MiB.

    Attributes:
        file: the file.
        number: of the block, from 0, within the file.
        data: the bytes of the documents in `encoding`; of Parquet an Arrow stream of the wanted columns.
        encoding: the file's, but UTF-8 where that is UTF-16.
        first_line: number of its first line (of Parquet: row), from 1.
        position: how many bytes of the file, as it is stored, are read with this block.
        oversized: (line, bytes) of documents larger than 16 MiB that were left out before the block's end.
    """

    file: RawFile
    number: int
    data: bytes
    encoding: Encoding
    first_line: int
    position: int
    oversized: tuple[tuple[int, int], ...] = ()

    @property
    def text_bytes(self) -> int:
        """How many bytes of text it holds, markup of the format among them."""
        return len(self.data)


def read_blocks(file: RawFile) -> Iterator[Block]:
    """The file in blocks, in order; the same ones each time, as long as the file stays the same.

    Args:
        file: what `find_files` found.
    Raises:
        InputError: the file cannot be read to its end; the message says how far it came.
    """
    if file.format == "parquet":
        yield from _parquet_blocks(file)
        return
    with open_stored(file.path) as stored:
        encoding, pieces = one_byte_units(read_pieces(file.path, stored), file.encoding)
        parts = cut(in_chunks(pieces, BLOCK_BYTES), _ends(file), max_bytes=MAX_DOCUMENT_BYTES)
        for number, part in enumerate(parts):
            position = min(stored.tell(), file.size)
            yield Block(file, number, part.data, encoding, part.first_line, position, part.oversized)


def _parquet_blocks(file: RawFile) -> Iterator[Block]:
    assert file.columns is not None, "a Parquet file was found with its columns"
    parts = parquet_parts(file.path, file.columns, part_bytes=BLOCK_BYTES, max_bytes=MAX_DOCUMENT_BYTES)
    for number, part in enumerate(parts):
        position = round(part.share * file.size)
        yield Block(file, number, part.data, "utf-8", part.first_row, position, part.oversized)


def _ends(file: RawFile) -> Ends:
    if file.format == "csv":
        return CsvEnds(MAX_DOCUMENT_BYTES)
    if file.format == "wiki":
        return WikiEnds()
    by_unit: dict[Unit, Ends] = {"line": LineEnds(), "paragraph": ParagraphEnds(), "file": FileEnds()}
    return by_unit[file.unit]
