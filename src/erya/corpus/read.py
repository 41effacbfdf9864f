"""Raw files in blocks of whole documents: text and JSON lines, compressed or not, in constant memory."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Literal

from erya.errors import InputError
from erya.files import COMPRESSED_SUFFIXES, open_measured
from erya.text.decode import SAMPLE_BYTES, detect_encoding
from erya.text.encodings import Encoding

Unit = Literal["line", "paragraph", "file"]

BLOCK_BYTES = 1 << 20
MAX_DOCUMENT_BYTES = 64 << 20
# So many lines in ASCII are looked through for one that tells the encoding.
_MAX_ASCII_LINES = 100_000
_DAMAGE = b"\xff"
_HALVES = re.compile("[\ud800-\udfff]")
_JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
_RAW_SUFFIXES = (*_JSON_SUFFIXES, ".txt")


@dataclass(frozen=True, slots=True)
class RawFile:
    """One raw file.

    Attributes:
        path: where it is.
        unit: what one document of it is.
        is_json: whether a line is a JSON object.
        encoding: how its bytes read.
    """

    path: Path
    unit: Unit
    is_json: bool
    encoding: Encoding

    @property
    def source(self) -> str:
        """What to call documents that do not name their source: the file's name without its suffixes."""
        return _plain_name(self.path).rsplit(".", 1)[0]


@dataclass(frozen=True, slots=True)
class Block:
    """Some whole documents of a file, about a megabyte: the unit of work.

    Attributes:
        file: the file.
        data: bytes in `encoding`, a whole number of lines.
        encoding: the file's, but UTF-8 where that is UTF-16.
        first_line: number of its first line, from 1.
        position: how many bytes of the files, as they lie on the disk, are read with this block.
    """

    file: RawFile
    data: bytes
    encoding: Encoding
    first_line: int
    position: int


def find_files(paths: Sequence[Path], *, unit: Unit = "line") -> list[RawFile]:
    """Look at every raw file before any work begins.

    Args:
        paths: files, or directories: these stand for the `.txt` and `.jsonl` files below them, by name.
        unit: what one document of a text file is.
    Raises:
        InputError: a file is missing, empty, binary or of unknown encoding, or a directory holds none.
    """
    return [_look_at(path, unit) for given in paths for path in _expand(given)]


def read_blocks(file: RawFile, *, before: int = 0) -> Iterator[Block]:
    """The file in blocks, in order.

    Args:
        file: what `find_files` found.
        before: bytes of the files before it, to count positions from.
    Raises:
        InputError: the compression is damaged, or a document is larger than 64 MiB.
    """
    line = 1
    with open_measured(file.path) as (stream, raw):
        encoding, chunks = _utf8_chunks(file, stream)
        for data in _whole_documents(chunks, file):
            yield Block(file, data, encoding, line, before + raw.tell())
            line += data.count(b"\n")


def _expand(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(
        file for file in path.rglob("*") if file.is_file() and _plain_name(file).endswith(_RAW_SUFFIXES)
    )
    if not files:
        raise InputError(
            "the directory holds no raw text", where=str(path), hint="wanted: " + " ".join(_RAW_SUFFIXES)
        )
    return files


def _look_at(path: Path, unit: Unit) -> RawFile:
    with open_measured(path) as (stream, _):
        sample = stream.read(SAMPLE_BYTES)
        later = _first_beyond_ascii(stream) if sample.isascii() and b"\0" not in sample else b""
    if not sample.strip():
        raise InputError("the file is empty", where=str(path), hint="leave it out")
    is_json = _plain_name(path).endswith(_JSON_SUFFIXES)
    if is_json and sample.lstrip().startswith(b"["):
        raise InputError(
            "this is one JSON list; JSON lines are wanted, an object a line",
            where=str(path),
            hint="rewrite it, for example: jq -c '.[]' FILE > FILE.jsonl",
        )
    encoding = detect_encoding(sample, name=str(path))
    if later:
        encoding = detect_encoding(later, name=str(path))
    return RawFile(path, "line" if is_json else unit, is_json, encoding)


def _first_beyond_ascii(stream: IO[bytes]) -> bytes:
    """A sample from the first line that says something of the encoding; empty if none of the next does."""
    for line in islice(stream, _MAX_ASCII_LINES):
        if not line.isascii():
            return line + stream.read(SAMPLE_BYTES)
    return b""


def _plain_name(path: Path) -> str:
    return path.name.removesuffix(path.suffix) if path.suffix in COMPRESSED_SUFFIXES else path.name


def _utf8_chunks(file: RawFile, stream: IO[bytes]) -> tuple[Encoding, Iterable[bytes]]:
    """The bytes of a file without byte-order mark; UTF-16 as UTF-8, so that a line feed is one byte."""
    chunks = iter(lambda: stream.read(BLOCK_BYTES), b"")
    if file.encoding not in ("utf-16-le", "utf-16-be"):
        return file.encoding, _without_mark(chunks)
    return "utf-8", _without_mark(_utf16_as_utf8(chunks, file.encoding))


def _utf16_as_utf8(chunks: Iterable[bytes], encoding: Encoding) -> Iterator[bytes]:
    """UTF-16 as UTF-8. Damage stays damage: half a pair, or an odd last byte, becomes a byte no UTF-8 has."""
    decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
    for chunk in chunks:
        yield _utf8(decoder.decode(chunk))
    rest = decoder.getstate()[0]
    whole = len(rest) // 2 * 2
    yield _utf8(rest[:whole].decode(encoding, "surrogatepass")) + _DAMAGE * (len(rest) - whole)


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return _DAMAGE.join(part.encode("utf-8") for part in _HALVES.split(text))


def _without_mark(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for number, chunk in enumerate(chunks):
        yield chunk.removeprefix(codecs.BOM_UTF8) if number == 0 else chunk


def _whole_documents(chunks: Iterable[bytes], file: RawFile) -> Iterator[bytes]:
    """Cut chunks where documents end. No GB 18030 or Big5 character has a line feed for a byte."""
    separators = _SEPARATORS[file.unit]
    rest = b""
    for chunk in chunks:
        rest += chunk
        end = _after_last(rest, separators)
        if end:
            yield rest[:end]
            rest = rest[end:]
        elif len(rest) > MAX_DOCUMENT_BYTES:
            raise InputError(
                f"a document is larger than {MAX_DOCUMENT_BYTES >> 20} MiB",
                where=str(file.path),
                hint="a document is one " + file.unit + " here; choose another --unit or cut the file up",
            )
    if rest:
        yield rest


def _after_last(data: bytes, separators: tuple[bytes, ...]) -> int:
    """Where the last of the separators ends, 0 if there is none."""
    ends = [place + len(mark) for mark in separators if (place := data.rfind(mark)) >= 0]
    return max(ends, default=0)


# No separator ends a whole file.
_SEPARATORS: dict[Unit, tuple[bytes, ...]] = {
    "line": (b"\n",),
    "paragraph": (b"\n\n", b"\n\r\n"),
    "file": (),
}
