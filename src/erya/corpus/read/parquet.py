"""Parquet: the wanted columns read batch by batch, so that row groups of any size do not matter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from erya.corpus.read.columns import Columns, pick_columns
from erya.corpus.read.options import ReadOptions
from erya.corpus.read.record import RawRecord, RecordMaker
from erya.corpus.read.storage import open_stored
from erya.corpus.read.tally import BAD_BYTES, NUL_BYTES, ReadTally, read_as
from erya.errors import InputError
from erya.text.mend import mend_line

_ROW, _SIZE = "row", "size"
_ROLES = ("text", "second", "title", "source")
_MAX_BATCH_ROWS = 4096
# Rows of a part, however short: a block has numbers for four million.
_MAX_PART_ROWS = 1 << 18
_BUFFER_BYTES = 1 << 20
_USUAL = ReadOptions()


@dataclass(frozen=True, slots=True)
class ParquetPart:
    """Some rows.

    Attributes:
        data: their wanted columns and their numbers, as an Arrow stream.
        first_row: the number of the first, from 1.
        share: of the file that is read with them, in [0, 1].
        oversized: (row, bytes) of rows that were left out.
    """

    data: bytes
    first_row: int
    share: float
    oversized: tuple[tuple[int, int], ...]


def parquet_columns(path: str, options: ReadOptions) -> Columns:
    """The columns of a Parquet file, once it is sure that those wanted are there and hold text.

    Raises:
        InputError: one is not there or holds something else, or the file is damaged or has no rows.
    """
    with _opened(path) as file:
        schema = file.schema_arrow
        if file.metadata.num_rows == 0:
            raise InputError("the file is empty", where=path, hint="leave it out")
    columns = pick_columns(schema.names, options, where=path)
    wrong = {name for name in columns.wanted if not _is_text(schema.field(name).type)}
    if columns.source in wrong and pa.types.is_integer(schema.field(columns.source).type):
        wrong.discard(columns.source)
    # A title or source that nobody asked for by name may be anything.
    if columns.title == _USUAL.title_field and columns.title in wrong:
        wrong.discard(columns.title)
        columns = replace(columns, title=None)
    if columns.source == _USUAL.source_field and columns.source in wrong:
        wrong.discard(columns.source)
        columns = replace(columns, source=None)
    for name in sorted(wrong):
        raise InputError(
            f"the column {name!r} holds {schema.field(name).type}, text is wanted",
            where=path,
            hint="columns of text: " + ", ".join(each.name for each in schema if _is_text(each.type)),
        )
    return columns


def parquet_parts(path: str, columns: Columns, *, part_bytes: int, max_bytes: int) -> Iterator[ParquetPart]:
    """The rows of a file in order.

    Args:
        path: the file.
        columns: what `parquet_columns` found.
        part_bytes: a part that has grown so large is given out.
        max_bytes: rows with more bytes of text are left out.
    Raises:
        InputError: the file is damaged; the message says where.
    """
    row = 1
    with _opened(path) as file:
        num_rows = file.metadata.num_rows
        batches = _wanted_batches(path, file, columns, part_bytes)
        for table in _gathered(batches, part_bytes):
            large = table.filter(pc.greater(table[_SIZE], max_bytes))
            oversized = tuple(zip(large[_ROW].to_pylist(), large[_SIZE].to_pylist(), strict=True))
            kept = table.filter(pc.less_equal(table[_SIZE], max_bytes)).drop_columns([_SIZE])
            share = (row - 1 + table.num_rows) / num_rows
            yield ParquetPart(_as_stream(kept), row, share, oversized)
            row += table.num_rows


def parquet_records(data: bytes, *, maker: RecordMaker, tally: ReadTally) -> Iterator[RawRecord]:
    """The rows of a part as records.

    Args:
        data: of a `ParquetPart`.
        maker: makes records.
        tally: counts what was mended.
    """
    table = pa.ipc.open_stream(data).read_all()
    rows = table[_ROW].to_pylist()
    texts, *others = (
        _texts(table[role], rows, tally) if role in table.column_names else [None] * len(rows)
        for role in _ROLES
    )
    for row, text, second, title, source in zip(rows, texts, *others, strict=True):
        record = maker.make(row, text, second=second, title=title, source=source)
        if record is not None:
            yield record


@contextmanager
def _opened(path: str) -> Iterator[pq.ParquetFile]:
    with open_stored(path) as stream:
        try:
            file = pq.ParquetFile(stream, buffer_size=_BUFFER_BYTES, pre_buffer=False)
        except (pa.ArrowException, OSError) as error:
            raise _damaged(path, error) from error
        yield file


def _wanted_batches(
    path: str, file: pq.ParquetFile, columns: Columns, part_bytes: int
) -> Iterator[pa.RecordBatch]:
    """The wanted columns by the names of their roles, with the numbers of the rows and their sizes."""
    row = 1
    try:
        for group in range(file.num_row_groups):
            rows_at_once = _rows_at_once(file.metadata.row_group(group), part_bytes)
            for batch in file.iter_batches(
                rows_at_once, row_groups=[group], columns=columns.wanted, use_threads=False
            ):
                yield _by_role(batch, columns, row)
                row += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error, row=row) from error


def _rows_at_once(group: pq.RowGroupMetaData, part_bytes: int) -> int:
    """So many rows that a batch is well below a part, if they are about as large as each other."""
    row_bytes = group.total_byte_size // max(1, group.num_rows)
    rows: int = part_bytes // (4 * max(1, row_bytes))
    return max(1, min(_MAX_BATCH_ROWS, rows))


def _by_role(batch: pa.RecordBatch, columns: Columns, row: int) -> pa.RecordBatch:
    arrays, names = [], []
    size = pa.array([0] * batch.num_rows, type=pa.int64())
    wanted = (columns.text, columns.second, columns.title, columns.source)
    for role, name in zip(_ROLES, wanted, strict=True):
        if name is None:
            continue
        column = batch.column(name).cast(pa.large_string())
        arrays.append(column)
        names.append(role)
        if role in ("text", "second"):
            size = pc.add(size, pc.fill_null(pc.binary_length(column), 0))
    numbers = pa.array(range(row, row + batch.num_rows), type=pa.int64())
    return pa.RecordBatch.from_arrays([*arrays, numbers, size], names=[*names, _ROW, _SIZE])


def _gathered(batches: Iterator[pa.RecordBatch], part_bytes: int) -> Iterator[pa.Table]:
    """Batches put together until they are a part."""
    held: list[pa.RecordBatch] = []
    num_bytes = 0
    for batch in batches:
        held.append(batch)
        num_bytes += pc.sum(batch[_SIZE]).as_py()
        if num_bytes >= part_bytes or len(held) * _MAX_BATCH_ROWS >= _MAX_PART_ROWS:
            yield pa.Table.from_batches(held)
            held, num_bytes = [], 0
    if held:
        yield pa.Table.from_batches(held)


def _as_stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _texts(column: pa.ChunkedArray, rows: list[int], tally: ReadTally) -> list[str | None]:
    """The texts of a column; Arrow does not make sure that they are UTF-8."""
    try:
        texts: list[str | None] = column.to_pylist()
    except UnicodeDecodeError:
        values = column.cast(pa.large_binary()).to_pylist()
        texts = [_mended(value, row, tally) for value, row in zip(values, rows, strict=True)]
    for place, (row, text) in enumerate(zip(rows, texts, strict=True)):
        if text is not None and "\0" in text:
            tally.note(row, NUL_BYTES, count=text.count("\0"))
            texts[place] = text.replace("\0", "")
    return texts


def _mended(value: bytes | None, row: int, tally: ReadTally) -> str | None:
    if value is None:
        return None
    mended = mend_line(value, "utf-8")
    if mended.encoding != "utf-8":
        tally.note(row, read_as(mended.encoding))
    if mended.bad_bytes:
        place = f"{mended.bad_bytes:,} from byte {mended.first_bad:,} of the text"
        tally.note(row, BAD_BYTES, count=mended.bad_bytes, place=place)
    return mended.text


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _damaged(path: str, error: Exception, *, row: int | None = None) -> InputError:
    said = (str(error).splitlines() or [type(error).__name__])[0]
    return InputError(
        f"not a Parquet file that can be read: {said}",
        where=path if row is None else f"{path}, row {row} or after",
        hint="it is cut short or damaged: fetch it again, or leave it out",
    )
