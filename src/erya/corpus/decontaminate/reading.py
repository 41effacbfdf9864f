"""Evaluation files found, and every string in them, whatever the format."""

from __future__ import annotations

import csv
import glob
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from erya.data.annotations.conll import read_conll
from erya.data.annotations.detection import detect_layout
from erya.data.annotations.document import read_document
from erya.data.lines import numbered_lines
from erya.data.parquet_rows import parquet_names, parquet_rows
from erya.errors import InputError
from erya.files import COMPRESSED_SUFFIXES, open_binary, sha256_of


@dataclass(frozen=True, slots=True)
class EvaluationFile:
    """A file of evaluation texts.

    Attributes:
        path: where it is.
        sha256: of its bytes.
    """

    path: Path
    sha256: str


def find_evaluation_files(given: Sequence[str]) -> list[EvaluationFile]:
    """The files meant, in an order that their contents decide.

    Args:
        given: files; directories, which stand for all files below them that are not hidden; patterns.
    Raises:
        InputError: there is no such file, a directory is empty, or a pattern matches nothing.
    """
    paths = {path.resolve(): path for name in given for path in _paths_meant(name)}
    found = [EvaluationFile(path, sha256_of(path)) for path in paths.values()]
    return sorted(found, key=lambda file: (file.sha256, str(file.path)))


def _paths_meant(given: str) -> list[Path]:
    path = Path(given)
    if path.is_file():
        return [path]
    if path.is_dir():
        below = (name for name in path.rglob("*") if name.is_file())
        found = sorted(name for name in below if not _is_hidden(name.relative_to(path)))
    else:
        # Path.glob takes no pattern from the root.
        matching = map(Path, glob.glob(given, recursive=True))  # noqa: PTH207
        found = sorted(name for name in matching if name.is_file())
    if not found:
        what = "the directory holds no file" if path.is_dir() else "no such file, and no file matches it"
        hint = "a file, a directory or a quoted pattern of evaluation texts is wanted"
        raise InputError(f"no evaluation texts: {what}", where=given, hint=hint)
    return found


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def read_strings(path: Path) -> Iterator[str]:
    """Every string of a file: cells, string values, sentences.

    A string that stands within another of its row or object, or of one around it, is left out: the answer
    in its passage, the name in its sentence. Who has the longer one is found by that.

    Args:
        path: a table (.tsv, .csv), JSON lines or one JSON document, Parquet, tokens with tags, or plain
            lines; perhaps compressed.
    Raises:
        InputError: the file cannot be read as what it is.
    """
    suffix = _suffix(path)
    if suffix == ".parquet":
        return _of_parquet(path)
    if suffix == ".csv":
        return _of_rows(_csv_rows(path))
    first = _first_line(path)
    if suffix != ".tsv" and first.lstrip().startswith(("{", "[")):
        return _of_json(path, first)
    if _is_conll(path):
        return (sentence.text for sentence in read_conll(path, tag_column=None))
    return _of_rows(line.split("\t") for line in _lines(path))


def strings_of(value: Any, around: tuple[str, ...] = ()) -> Iterator[str]:
    """The strings of a JSON value, but those that stand within one beside them or in `around`."""
    if isinstance(value, str):
        value = [value]
    inner = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(inner, list):
        return
    own = [item for item in inner if isinstance(item, str)]
    wider = (*around, *own) if isinstance(value, dict) else around
    for text in own:
        if not any(text in other and text != other for other in wider):
            yield text
    for item in inner:
        if not isinstance(item, str):
            yield from strings_of(item, wider)


def _suffix(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return next((suffix for suffix in reversed(suffixes) if suffix not in COMPRESSED_SUFFIXES), "")


def _lines(path: Path) -> Iterator[str]:
    with open_binary(path) as stream:
        for _, line in numbered_lines(str(path), stream):
            if line.strip():
                yield line.rstrip("\r\n")


def _first_line(path: Path) -> str:
    return next(_lines(path), "")


def _is_conll(path: Path) -> bool:
    try:
        return detect_layout(path) == "conll"
    except InputError:  # plain lines; what is no text at all shows when they are read
        return False


def _of_rows(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for row in rows:
        yield from strings_of(dict(enumerate(row)))


def _csv_rows(path: Path) -> Iterator[list[str]]:
    csv.field_size_limit(2**31 - 1)  # the default would refuse a text of 128 KiB
    with open_binary(path) as stream:
        reader = csv.reader((line for _, line in numbered_lines(str(path), stream)), strict=True)
        try:
            yield from reader
        except csv.Error as error:
            where = f"{path}, line {reader.line_num}"
            hint = 'a quotation mark inside a quoted field is doubled: ""'
            raise InputError(f"a broken CSV row: {error}", where=where, hint=hint) from None


def _of_json(path: Path, first: str) -> Iterator[str]:
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        yield from strings_of(read_document(path))
        return
    for number, line in enumerate(_lines(path), 1):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            what = "not JSON, though the lines before it are"
            raise InputError(what, where=f"{path}, record {number}") from None
        yield from strings_of(value)


def _of_parquet(path: Path) -> Iterator[str]:
    rows = parquet_rows(path, parquet_names(path))
    return itertools.chain.from_iterable(strings_of(row) for _, row in rows)
