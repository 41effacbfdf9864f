"""Rows of a Parquet file, a few thousand at a time: memory does not grow with the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from erya.errors import InputError

_MAX_BATCH_ROWS = 1024
# About so many bytes of the wanted columns are held at once.
_BATCH_BYTES = 8 << 20
_BUFFER_BYTES = 1 << 20


def parquet_names(path: Path) -> list[str]:
    """The names of the columns.

    Raises:
        InputError: the file is damaged or no Parquet file.
    """
    try:
        names: list[str] = pq.read_schema(path).names
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error
    return names


def parquet_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows with their numbers from 1; nested columns as lists and dicts.

    Args:
        path: the file.
        columns: the names of those wanted; all are there.
    Raises:
        InputError: the file is damaged, or a text in it is not UTF-8.
    """
    row = 1
    try:
        with pq.ParquetFile(path, buffer_size=_BUFFER_BYTES, pre_buffer=False) as file:
            for group in range(file.metadata.num_row_groups):
                size = _rows_at_once(file.metadata.row_group(group))
                for batch in file.iter_batches(
                    size, row_groups=[group], columns=list(columns), use_threads=False
                ):
                    yield from enumerate(_as_dicts(path, batch, row), row)
                    row += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error, row=row) from error


def _rows_at_once(group: pq.RowGroupMetaData) -> int:
    row_bytes = group.total_byte_size // max(1, group.num_rows)
    rows: int = _BATCH_BYTES // max(1, row_bytes)
    return max(1, min(_MAX_BATCH_ROWS, rows))


def _as_dicts(path: Path, batch: pa.RecordBatch, first: int) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = batch.to_pylist()
    except UnicodeDecodeError:  # Arrow does not make sure
        raise InputError(
            "not UTF-8 text",
            where=f"{path}, row {_first_undecodable(batch, first)}",
            hint="write the file again from texts in UTF-8",
        ) from None
    return rows


def _first_undecodable(batch: pa.RecordBatch, first: int) -> int:
    for number in range(batch.num_rows):
        try:
            batch.slice(number, 1).to_pylist()
        except UnicodeDecodeError:
            return first + number
    return first


def _damaged(path: Path, error: Exception, *, row: int | None = None) -> InputError:
    said = (str(error).splitlines() or [type(error).__name__])[0]
    return InputError(
        f"not a Parquet file that can be read: {said}",
        where=str(path) if row is None else f"{path}, row {row} or after",
        hint="it is cut short or damaged: fetch it again",
    )
