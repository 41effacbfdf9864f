"""Records with named columns from TSV, CSV and JSON lines files, plain or compressed.

The name says the format (`.tsv`, `.csv`, `.jsonl`) and the compression (`.gz .xz .bz2 .zst`). TSV and CSV
start with a line that names the columns. Fields of a TSV are taken as they stand: Chinese review files are
full of lone quotation marks, and a quoting parser swallows whole paragraphs at the first of them. CSV
follows RFC 4180: a field in double quotes may hold commas and line ends.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from erya.errors import InputError, nearest_hint
from erya.files import COMPRESSED_SUFFIXES, open_binary, require_file

FORMATS = (".tsv", ".csv", ".jsonl")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a file.

    Attributes:
        path: the file it stands in.
        line: the line it begins on, from 1.
        values: the wanted fields as text, by the caller's names for them.
    """

    path: str
    line: int
    values: Mapping[str, str]

    @property
    def where(self) -> str:
        """The place for an error message: file and line."""
        return f"{self.path}, line {self.line}"


def read_records(path: Path, *, columns: Mapping[str, str]) -> Iterator[Record]:
    """Read `path` row by row. Lines that are empty from end to end are not rows.

    Args:
        path: a file whose name ends in .tsv, .csv or .jsonl, then perhaps .gz, .xz, .bz2 or .zst.
        columns: for each field the caller wants, the column (or JSON key) it stands in.
    Yields:
        The rows; only the wanted fields are kept. Whole numbers and booleans of JSON become text.
    Raises:
        InputError: the file is missing, empty, binary or not UTF-8, a column is not there (with those
            that are and the nearest name), or a row is broken (with its line and field).
    """
    kind = _format_of(require_file(path))
    if path.stat().st_size == 0:
        raise InputError("the file is empty", where=str(path))
    reader = {".jsonl": _read_json, ".csv": _read_csv, ".tsv": _read_tsv}[kind]
    found = False
    with open_binary(path) as stream:
        for record in reader(str(path), _lines(str(path), stream), columns):
            found = True
            yield record
    if not found:
        hint = "a first line with the column names, then one line a record" if kind != ".jsonl" else None
        raise InputError("the file holds no record", where=str(path), hint=hint)


def read_json_lines(name: str, stream: IO[bytes], *, columns: Mapping[str, str]) -> Iterator[Record]:
    """Read JSON lines from an open stream, such as stdin.

    Args:
        name: what messages call the stream.
        stream: UTF-8.
        columns: for each field the caller wants, the key it stands under.
    Raises:
        InputError: a line is broken, or lacks a key.
    """
    return _read_json(name, _lines(name, stream), columns)


def _format_of(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSED_SUFFIXES:
        suffixes.pop()
    if suffixes and suffixes[-1] in FORMATS:
        return suffixes[-1]
    raise InputError(
        "the file's name does not say its format",
        where=str(path),
        hint=f"name it {', '.join(FORMATS)}, with {', '.join(COMPRESSED_SUFFIXES)} after it when compressed",
    )


def _lines(path: str, stream: IO[bytes]) -> Iterator[tuple[int, str]]:
    """Numbered lines with their line ends; only \\n ends one."""
    for number, raw in enumerate(stream, 1):
        line = raw.removeprefix(_BOM) if number == 1 else raw
        where = f"{path}, line {number}"
        if b"\0" in line:
            raise InputError("a binary file, text is wanted", where=where)
        try:
            yield number, line.decode("utf-8")
        except UnicodeDecodeError:
            raise InputError(
                "not UTF-8 text",
                where=where,
                hint="a file in GBK or GB 18030? convert it first: iconv -f GB18030 -t UTF-8 OLD > NEW",
            ) from None


def _read_tsv(path: str, lines: Iterator[tuple[int, str]], columns: Mapping[str, str]) -> Iterator[Record]:
    rows = ((number, line.rstrip("\r\n").split("\t")) for number, line in lines if line.strip("\r\n"))
    return _read_table(path, rows, columns)


def _read_csv(path: str, lines: Iterator[tuple[int, str]], columns: Mapping[str, str]) -> Iterator[Record]:
    return _read_table(path, _csv_rows(path, lines), columns)


def _csv_rows(path: str, lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, list[str]]]:
    """Rows with the line each begins on; a quoted field may run over several lines."""
    csv.field_size_limit(2**31 - 1)  # the default would refuse a text of 128 KiB
    reader = csv.reader((line for _, line in lines), strict=True)
    while True:
        begin = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(
                f"a broken CSV row: {error}",
                where=f"{path}, line {begin}",
                hint='a quotation mark inside a quoted field is doubled: ""',
            ) from None
        if row:
            yield begin, row


def _read_table(
    path: str, rows: Iterator[tuple[int, list[str]]], columns: Mapping[str, str]
) -> Iterator[Record]:
    _, names = next(rows, (1, []))
    places = {field: _column_index(path, names, field, column) for field, column in columns.items()}
    for line, row in rows:
        if len(row) != len(names):
            raise InputError(
                f"the row has {len(row)} fields, the first line names {len(names)} ({', '.join(names)})",
                where=f"{path}, line {line}",
            )
        yield Record(path, line, {field: row[place] for field, place in places.items()})


def _column_index(path: str, names: Sequence[str], field: str, column: str) -> int:
    if names.count(column) == 1:
        return names.index(column)
    if column in names:
        raise InputError(
            f"the column {column!r} stands there {names.count(column)} times", where=f"{path}, line 1"
        )
    listed = ", ".join(name if len(name) <= 30 else name[:30] + "…" for name in names)
    raise InputError(
        f"there is no column {column!r} (wanted for {field}); the first line names: {listed}",
        where=f"{path}, line 1",
        hint=f"{nearest_hint(column, names)} (a file without a line of column names needs one first)",
    )


def _read_json(path: str, lines: Iterator[tuple[int, str]], columns: Mapping[str, str]) -> Iterator[Record]:
    for number, line in lines:
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"not JSON: {error.msg}", where=f"{where}, column {error.colno}") from None
        except (ValueError, RecursionError):
            raise InputError("not JSON: a number is too long or lists lie too deep", where=where) from None
        if not isinstance(row, dict):
            raise InputError(
                "not a JSON object", where=where, hint='one object a line: {"text": ..., "label": ...}'
            )
        yield Record(
            path, number, {field: _json_text(row, key, field, where) for field, key in columns.items()}
        )


def _json_text(row: Mapping[str, object], key: str, field: str, where: str) -> str:
    if key not in row:
        raise InputError(
            f"there is no key {key!r} (wanted for {field}); the object has: {', '.join(row)}",
            where=where,
            hint=nearest_hint(key, row),
        )
    value = row[key]
    if isinstance(value, str):
        return value
    if isinstance(value, int):  # bool too: true and false
        return json.dumps(value)
    raise InputError(
        f"a text or a whole number is wanted, not {json.dumps(value, ensure_ascii=False)[:60]}",
        where=f"{where}, field {key!r}",
    )
