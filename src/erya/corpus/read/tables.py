"""CSV and TSV: the names of columns, and rows.

Fields of a TSV are taken as they stand: Chinese text is full of lone quotation marks, and a quoting parser
would swallow whole paragraphs at the first of them. CSV follows RFC 4180.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Literal

from erya.corpus.read.columns import Columns, pick_columns
from erya.corpus.read.options import ReadOptions
from erya.corpus.read.record import RawRecord, RecordMaker
from erya.corpus.read.tally import BROKEN_ROW, NUM_FIELDS, ReadTally
from erya.errors import InputError

TableFormat = Literal["csv", "tsv"]
_MAX_FIELD = 2**31 - 1
_MAX_COLUMNS = 10_000


def find_columns(path: str, first_row: str, form: TableFormat, options: ReadOptions) -> Columns:
    """The columns of a table.

    Args:
        path: what the file is called in an error.
        first_row: its first row that is not blank.
        form: how rows are written.
        options: which columns are wanted.
    Raises:
        InputError: the row is broken, or a wanted column is not there.
    """
    where = f"{path}, line 1"
    tally = ReadTally()
    _, row = next(_rows(first_row, 1, form, tally), (1, []))
    if tally.dropped:
        raise InputError("the first row is broken", where=where, hint="are its quotation marks in pairs?")
    if not row or len(row) > _MAX_COLUMNS:
        raise InputError(f"the first row is broken: it has {len(row):,} fields", where=where)
    if options.has_column_numbers:
        row = [str(number) for number in range(1, len(row) + 1)]
    return pick_columns(row, options, where=where)


def table_records(
    text: str,
    first_line: int,
    columns: Columns,
    form: TableFormat,
    *,
    names_first: bool,
    maker: RecordMaker,
    tally: ReadTally,
) -> Iterator[RawRecord]:
    """The rows of a block as records.

    Args:
        text: whole rows.
        first_line: the number of their first line.
        columns: of the table.
        form: how rows are written.
        names_first: whether the first row is that of the names of the columns.
        maker: makes records.
        tally: counts rows that are none.
    """
    names = columns.names
    text_at = names.index(columns.text)
    second_at, title_at, source_at = (
        names.index(name) if name is not None else None
        for name in (columns.second, columns.title, columns.source)
    )
    rows = _rows(text, first_line, form, tally)
    if names_first:
        next(rows, None)
    for line, row in rows:
        if len(row) != len(names):
            tally.records += 1
            tally.drop(line, NUM_FIELDS)
            continue
        record = maker.make(
            line,
            row[text_at],
            second=row[second_at] if second_at is not None else None,
            title=row[title_at] if title_at is not None else None,
            source=row[source_at] if source_at is not None else None,
        )
        if record is not None:
            yield record


def _rows(
    text: str, first_line: int, form: TableFormat, tally: ReadTally
) -> Iterator[tuple[int, Sequence[str]]]:
    """Rows that are not blank, with the numbers of the lines they begin on."""
    return _csv_rows(text, first_line, tally) if form == "csv" else _tsv_rows(text, first_line)


def _tsv_rows(text: str, first_line: int) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(text.split("\n"), first_line):
        row = line.removesuffix("\r")
        if row:
            yield number, row.split("\t")


def _csv_rows(text: str, first_line: int, tally: ReadTally) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(_MAX_FIELD)  # the default would refuse a text of 128 KiB
    stream = io.StringIO(text, newline="\n")
    reader, lines_before = csv.reader(stream, strict=True), first_line
    while True:
        line, start = lines_before + reader.line_num, stream.tell()
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            tally.records += 1
            tally.drop(line, BROKEN_ROW)
            # A lone quotation mark swallows whole rows, to the end if nothing closes it: they come again.
            stream.seek(start)
            stream.readline()
            reader, lines_before = csv.reader(stream, strict=True), line + 1
            continue
        if row:
            yield line, row
