"""Records with named columns from TSV, CSV, JSON lines and Parquet files, plain or compressed.

The name says the format (`.tsv` or `.txt`, `.csv`, `.jsonl` or `.json`, `.parquet`) and the compression
(`.gz .xz .bz2 .zst`). TSV and CSV start with a line that names the columns; where the wanted columns are
numbers, from 1, there is no such line, unless it holds nothing but numbers, those among them. Fields of a TSV
are taken as they stand: Chinese review files are full of lone quotation marks, and a quoting parser swallows
whole paragraphs at the first of them. CSV follows RFC 4180: a field in double quotes may hold commas and line
ends.
"""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from erya.data.fields import Wanted
from erya.data.lines import numbered_lines
from erya.data.parquet_rows import parquet_names, parquet_rows
from erya.data.problems import Problem, Report
from erya.errors import InputError, nearest_hint
from erya.files import COMPRESSED_SUFFIXES, open_binary, require_file

FORMATS = (".tsv", ".txt", ".csv", ".jsonl", ".json", ".parquet")
_TABLES = (".tsv", ".txt", ".csv")


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a file.

    Attributes:
        path: the file it stands in.
        line: the line it begins on, from 1; of a Parquet file the row; 0 where it stands in no file.
        values: the wanted fields of text, by the caller's names for them.
        data: the wanted structured fields, as JSON has them: lists, objects, numbers, null.
        unit: what `line` counts.
    """

    path: str
    line: int
    values: Mapping[str, str]
    data: Mapping[str, Any] = field(default_factory=dict)
    unit: Literal["line", "row"] = "line"

    @property
    def where(self) -> str:
        """The place for an error message: file and line."""
        return f"{self.path}, {self.unit} {self.line}" if self.line else self.path


def read_records(
    path: Path,
    *,
    columns: Mapping[str, str],
    structured: Collection[str] = (),
    optional: Collection[str] = (),
    broken: Report | None = None,
) -> Iterator[Record]:
    """Read `path` row by row. Lines that are empty from end to end are not rows.

    Args:
        path: a file whose name ends in .tsv, .txt (the same), .csv, .jsonl, .json (JSON lines too) or
            .parquet; all but the last may be followed by .gz, .xz, .bz2 or .zst.
        columns: for each field the caller wants, the column (or JSON key) it stands in; of a table without a
            line of column names its number, from 1.
        structured: the fields that hold lists, objects or any number, and are found in `Record.data`. In a
            table the cell holds JSON.
        optional: the fields that a row may lack; then the record lacks them. An optional structured field may
            also be null.
        broken: told of each row that cannot be used, which is left out; None raises at the first.
    Yields:
        The rows; only the wanted fields are kept. Whole numbers and booleans of JSON become text.
    Raises:
        InputError: the file is missing, empty, binary or not UTF-8, a column is not there (with those
            that are and the nearest name), or a row is broken (with its line and field).
    """
    kind = _format_of(require_file(path))
    if path.stat().st_size == 0:
        raise InputError("the file is empty", where=str(path))
    wanted = Wanted(columns, frozenset(structured), frozenset(optional))
    found = False
    for record in _rows(path, kind, wanted, broken):
        found = True
        yield record
    if not found:
        hint = "a first line with the column names, then one line a record"
        raise InputError("the file holds no record", where=str(path), hint=hint if kind in _TABLES else None)


def read_json_lines(
    name: str,
    stream: IO[bytes],
    *,
    columns: Mapping[str, str],
    structured: Collection[str] = (),
    optional: Collection[str] = (),
) -> Iterator[Record]:
    """Read JSON lines from an open stream, such as stdin.

    Args:
        name: what messages call the stream.
        stream: UTF-8.
        columns: for each field the caller wants, the key it stands under.
        structured: as `read_records` has it.
        optional: as `read_records` has it.
    Raises:
        InputError: a line is broken, or lacks a key.
    """
    wanted = Wanted(columns, frozenset(structured), frozenset(optional))
    return _read_json(name, numbered_lines(name, stream), wanted, None)


def ending_of(path: Path) -> str:
    """The last suffix of the name, before that of a compression."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSED_SUFFIXES:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def is_table(path: Path) -> bool:
    """Whether a file's cells hold text without a kind, so that a number is told by its digits alone."""
    return ending_of(path) in _TABLES


def _rows(path: Path, kind: str, wanted: Wanted, broken: Report | None) -> Iterator[Record]:
    if kind == ".parquet":
        yield from _read_parquet(path, wanted, broken)
        return
    reader = {".csv": _read_csv, ".tsv": _read_tsv, ".txt": _read_tsv}.get(kind, _read_json)
    with open_binary(path) as stream:
        yield from reader(str(path), numbered_lines(str(path), stream), wanted, broken)


def _format_of(path: Path) -> str:
    kind = ending_of(path)
    if kind == ".parquet" and path.suffix.lower() != kind:
        raise InputError("a Parquet file is compressed inside", where=str(path), hint="decompress it first")
    if kind in FORMATS:
        return kind
    raise InputError(
        "the file's name does not say its format",
        where=str(path),
        hint=f"name it {', '.join(FORMATS)}, with {', '.join(COMPRESSED_SUFFIXES)} after it when compressed",
    )


def _read_tsv(
    path: str, lines: Iterator[tuple[int, str]], wanted: Wanted, broken: Report | None
) -> Iterator[Record]:
    rows = ((number, line.rstrip("\r\n").split("\t")) for number, line in lines if line.strip("\r\n"))
    return _read_table(path, rows, wanted, broken)


def _read_csv(
    path: str, lines: Iterator[tuple[int, str]], wanted: Wanted, broken: Report | None
) -> Iterator[Record]:
    return _read_table(path, _csv_rows(path, lines), wanted, broken)


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
    path: str, rows: Iterator[tuple[int, list[str]]], wanted: Wanted, broken: Report | None
) -> Iterator[Record]:
    begin, names = next(rows, (1, []))
    if wanted.numbers and not _are_names(names, wanted.numbers):
        rows = itertools.chain([(begin, names)], rows)
        names = [str(number) for number in range(1, len(names) + 1)]
    places = _places(path, names, wanted)
    for line, row in rows:
        with _leaving_out(broken, line):
            _require_width(row, names, f"{path}, line {line}")
            cells = {name: row[place] for name, place in places.items()}
            yield Record(path, line, *wanted.of_cells(cells, f"{path}, line {line}"))


def _are_names(cells: Sequence[str], numbers: Sequence[str]) -> bool:
    """Whether the first line names columns by numbers: all of them, as a first row may well hold one."""
    return set(cells).issuperset(numbers) and all(cell.isdecimal() for cell in cells)


def _require_width(row: Sequence[str], names: Sequence[str], where: str) -> None:
    if len(row) != len(names):
        raise InputError(
            f"the row has {len(row)} fields, the first line {len(names)} ({', '.join(names)})",
            where=where,
        )


def _read_parquet(path: Path, wanted: Wanted, broken: Report | None) -> Iterator[Record]:
    names = parquet_names(path)
    places = _places(str(path), names, wanted, header="the file")
    # Twice the same column is one to Arrow.
    for number, row in parquet_rows(path, sorted({names[place] for place in places.values()})):
        with _leaving_out(broken, number):
            yield Record(str(path), number, *wanted.of_object(row, f"{path}, row {number}"), "row")


@contextmanager
def _leaving_out(broken: Report | None, line: int) -> Iterator[None]:
    """Tell `broken` of a row that cannot be used and go on; without it, raise."""
    try:
        yield
    except InputError as error:
        if broken is None:
            raise
        where = error.where or f"line {line}"
        broken(Problem("a row that cannot be used", error.what, where, line, "the row is left out"))


def _places(
    path: str, names: Sequence[str], wanted: Wanted, *, header: str = "the first line"
) -> dict[str, int]:
    """The number of the column each field stands in."""
    return {
        name: _column_index(path, names, name, column, header=header)
        for name, column in wanted.columns.items()
        if column in names or name not in wanted.optional
    }


def _column_index(path: str, names: Sequence[str], field: str, column: str, *, header: str) -> int:
    where = f"{path}, line 1" if header == "the first line" else path
    if names.count(column) == 1:
        return names.index(column)
    if column in names:
        raise InputError(f"the column {column!r} stands there {names.count(column)} times", where=where)
    listed = ", ".join(name if len(name) <= 30 else name[:30] + "…" for name in names)
    by_number = " (columns without names go by number: --text 1)" if where != path else ""
    raise InputError(
        f"there is no column {column!r} (wanted for {field}); {header} has: {listed}",
        where=where,
        hint=nearest_hint(column, names) + by_number,
    )


def _read_json(
    path: str, lines: Iterator[tuple[int, str]], wanted: Wanted, broken: Report | None
) -> Iterator[Record]:
    for number, row in json_objects(path, lines, broken=broken):
        with _leaving_out(broken, number):
            yield Record(path, number, *wanted.of_object(row, f"{path}, line {number}"))


def json_objects(
    path: str, lines: Iterator[tuple[int, str]], *, broken: Report | None = None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """One object a line, with the number of the line; empty lines are passed over.

    Args:
        path: what messages call the file.
        lines: of `numbered_lines`.
        broken: told of each line that is no object, which is left out; None raises at the first.
    Raises:
        InputError: a line is no JSON, or no object.
    """
    for number, line in lines:
        if line.strip():
            with _leaving_out(broken, number):
                yield number, _json_object(line, f"{path}, line {number}")


def _json_object(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(
            f"not JSON: {error.msg}",
            where=f"{where}, column {error.colno}",
            hint="one object a line, each whole on its line" if line.strip() in ("{", "[") else None,
        ) from None
    except (ValueError, RecursionError):
        raise InputError("not JSON: a number is too long or lists lie too deep", where=where) from None
    if not isinstance(row, dict):
        raise InputError(
            "not a JSON object", where=where, hint='one object a line: {"text": ..., "label": ...}'
        )
    return row
