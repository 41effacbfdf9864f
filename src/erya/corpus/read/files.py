"""Raw files, looked at before any work begins: what form, what encoding, are the wanted fields there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Literal

from erya.corpus.read.columns import Columns
from erya.corpus.read.ends import CsvEnds, LineEnds
from erya.corpus.read.names import JSON_SUFFIXES, PARQUET_SUFFIX, WIKI_NAME, names_meant, plain_name
from erya.corpus.read.options import ReadOptions, Unit
from erya.corpus.read.parquet import parquet_columns
from erya.corpus.read.storage import Stored, look_up, open_stored, read_pieces
from erya.corpus.read.tables import find_columns
from erya.corpus.read.utf8 import in_chunks, one_byte_units
from erya.corpus.read.wiki import WIKI_HEAD
from erya.errors import InputError
from erya.files import COMPRESSED_SUFFIXES
from erya.text.decode import SAMPLE_BYTES, detect_encoding
from erya.text.encodings import Encoding

Format = Literal["text", "jsonl", "csv", "tsv", "parquet", "wiki"]

# So much in ASCII is looked through for a character that tells the encoding.
_MAX_ASCII_BYTES = 16 << 20
_MAX_FIRST_ROW_BYTES = 1 << 20
_USUAL = ReadOptions()
_BLANK = b" \t\r\n\0\xef\xbb\xbf\xff\xfe"
_FOREIGN = re.compile(rb"[\x80-\xff]")
_JSON_OBJECT = re.compile(r'\s*\{\s*"')


@dataclass(frozen=True, slots=True)
class RawFile:
    """One raw file.

    Attributes:
        path: where it is: a path or a URL.
        number: which of the raw files it is, from 0.
        format: how records are written in it.
        unit: what one document of a text is; `line` for all other formats.
        encoding: how its bytes read.
        size: bytes as stored.
        stamp: changes when the file does.
        columns: of CSV, TSV and Parquet.
    """

    path: str
    number: int
    format: Format
    unit: Unit
    encoding: Encoding
    size: int
    stamp: str
    columns: Columns | None = None

    @property
    def source(self) -> str:
        """What to call documents that do not name their source: the file's name without its suffixes."""
        name = PurePosixPath(self.path).name
        plain = name[: len(plain_name(name))]
        return "wiki" if WIKI_NAME.fullmatch(plain.lower()) else plain.rsplit(".", 1)[0] or plain


def find_files(paths: Sequence[str | Path], options: ReadOptions = _USUAL) -> list[RawFile]:
    """Look at every raw file before any work begins.

    Args:
        paths: files, directories (for the `.txt .jsonl .csv .tsv .parquet` files and extracted Wikipedia
            below them, in the order of their names), patterns, or URLs of any of these.
        options: what is wanted of them.
    Raises:
        InputError: a file is missing, empty, binary, damaged, given twice, of unknown encoding or without
            the wanted column; or a directory or pattern holds none.
        MissingExtraError: a URL is given and fsspec is not installed.
    """
    seen: dict[str, str] = {}
    files: list[RawFile] = []
    for given in map(str, paths):
        for path in names_meant(given):
            stored = look_up(path)
            where = path if path == given else f"{path} (of {given})"
            if stored.identity in seen:
                hint = f"the first time as {seen[stored.identity]}; leave one of them out"
                raise InputError("the same file is given twice", where=where, hint=hint)
            seen[stored.identity] = where
            files.append(_look_at(path, len(files), stored, options))
    return files


def _look_at(path: str, number: int, stored: Stored, options: ReadOptions) -> RawFile:
    name = plain_name(path)
    if name.endswith(PARQUET_SUFFIX):
        if path.lower().endswith(COMPRESSED_SUFFIXES):
            raise InputError("Parquet is compressed within, not around", where=path, hint="unpack it first")
        found = parquet_columns(path, options)
        return RawFile(path, number, "parquet", "line", "utf-8", stored.size, stored.stamp, found)
    encoding, beginning = _encoding_and_beginning(path, options)
    form = _format(path, beginning)
    if options.pair_field is not None and form in ("text", "wiki"):
        hint = "pairs stand in JSON lines, CSV, TSV or Parquet; a table in a .txt file wants the suffix .tsv"
        raise InputError("this file has no fields, and pairs were asked for", where=path, hint=hint)
    columns = None
    if form == "csv" or form == "tsv":
        columns = find_columns(path, _first_row(path, encoding, form), form, options)
    unit = options.unit if form == "text" else "line"
    return RawFile(path, number, form, unit, encoding, stored.size, stored.stamp, columns)


def _format(path: str, beginning: str) -> Format:
    """How records are written: the name says it, otherwise the content."""
    name = plain_name(path)
    if name.endswith(JSON_SUFFIXES):
        if beginning.lstrip().startswith("["):
            raise InputError(
                "this is one JSON list; JSON lines are wanted, an object a line",
                where=path,
                hint="rewrite it, for example: jq -c '.[]' FILE > FILE.jsonl",
            )
        return "jsonl"
    if name.endswith((".csv", ".tsv")):
        return "csv" if name.endswith(".csv") else "tsv"
    if WIKI_HEAD.match(beginning.lstrip()):
        return "wiki"
    return "jsonl" if "." not in name and _JSON_OBJECT.match(beginning) else "text"


def _encoding_and_beginning(path: str, options: ReadOptions) -> tuple[Encoding, str]:
    """How a text file reads, and its first 64 KiB, blank ones left out, without byte-order mark."""
    with open_stored(path) as stream:
        chunks = in_chunks(read_pieces(path, stream), SAMPLE_BYTES)
        sample = next((chunk for chunk in chunks if chunk.strip(_BLANK)), b"")
        if not sample:
            raise InputError("the file is empty", where=path, hint="leave it out")
        encoding = options.encoding
        if encoding == "auto":
            encoding = detect_encoding(sample, name=path)
            if encoding == "utf-8" and sample.isascii():
                encoding = _later_encoding(chunks, path)
    text = sample.decode(encoding, "replace").removeprefix("\ufeff")
    return encoding, text.replace("\0", "")


def _later_encoding(chunks: Iterator[bytes], path: str) -> Encoding:
    """The encoding by the first line that is not ASCII; UTF-8 if none of the next 16 MiB is."""
    for chunk in islice(chunks, _MAX_ASCII_BYTES // SAMPLE_BYTES):
        foreign = _FOREIGN.search(chunk)
        if foreign:
            line = chunk.rfind(b"\n", 0, foreign.start()) + 1
            return detect_encoding(chunk[line:] + next(chunks, b""), name=path)
    return "utf-8"


def _first_row(path: str, encoding: Encoding, form: Format) -> str:
    """The first row of a table that is not blank."""
    ends = CsvEnds(_MAX_FIRST_ROW_BYTES) if form == "csv" else LineEnds()
    data = b""
    with open_stored(path) as stream:
        encoding, pieces = one_byte_units(read_pieces(path, stream), encoding)
        for piece in pieces:
            data = (data + piece).lstrip(b"\r\n\0")
            end = ends.first(data)
            if end or len(data) > _MAX_FIRST_ROW_BYTES:
                break
        else:
            end = len(data)
    if not end:
        said = f"the first row has no end within {_MAX_FIRST_ROW_BYTES >> 20} MiB"
        raise InputError(said, where=f"{path}, line 1", hint="is this a table?")
    return data[:end].decode(encoding, "replace").replace("\0", "")
