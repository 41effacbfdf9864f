"""The database that joins what does not fit into memory, and Parquet files in and out of it."""

from __future__ import annotations

import glob
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from erya.errors import ConfigError, EryaError, StorageError
from erya.files import atomic_write
from erya.runtime import require

# What the process needs beside the pages that DuckDB counts.
_MEMORY_SHARE = 0.7
_ROW_GROUP = 1 << 17


@contextmanager
def open_database(*, memory_bytes: int, threads: int, scratch: Path) -> Iterator[Any]:
    """A DuckDB connection to an empty database on the disk, which is gone afterwards.

    Args:
        memory_bytes: what the process may come to use.
        threads: how many it may use.
        scratch: a directory for what does not fit into memory.
    Raises:
        ConfigError: the memory does not suffice.
        StorageError: the disk refuses.
        MissingExtraError: DuckDB is not installed.
    """
    duckdb = require("duckdb")
    scratch.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="join-", dir=scratch))
    settings = {
        "memory_limit": f"{int(memory_bytes * _MEMORY_SHARE) >> 10} KiB",
        "threads": threads,
        "temp_directory": str(directory / "spilled"),
        "preserve_insertion_order": False,
        # No network and no Python variables behind table names.
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "python_enable_replacements": False,
    }
    try:
        with duckdb.connect(str(directory / "join.duckdb"), config=settings) as connection:
            yield connection
    except (duckdb.Error, RuntimeError) as error:
        # Ctrl-C, while the database works or reads from us, comes in its own words.
        if "Query interrupted" in str(error) or "KeyboardInterrupt" in str(error):
            raise KeyboardInterrupt from error
        refusal = _refusal(error, duckdb, memory_bytes=memory_bytes, scratch=scratch)
        if refusal is None:
            raise
        raise refusal from error
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _refusal(error: Exception, duckdb: Any, *, memory_bytes: int, scratch: Path) -> EryaError | None:
    """What an error of the database means to its user; None: it is our mistake."""
    said = str(error)
    if "No space left" in said or "max_temp_directory_size" in said:
        return StorageError(
            "the disk is full; nothing half-written was left",
            where=str(scratch),
            hint="free space, then run again",
        )
    if isinstance(error, duckdb.OutOfMemoryException):
        return ConfigError(
            f"{memory_bytes >> 20} MiB of memory do not suffice to find the duplicates",
            hint="allow more memory, or fewer threads",
        )
    # A transaction fails when its end cannot be written.
    disk = (
        duckdb.IOException,
        duckdb.InvalidInputException,
        duckdb.TransactionException,
        duckdb.FatalException,
    )
    if isinstance(error, disk):
        # What went wrong in Python comes with its traceback.
        said = said.partition(". Detail: Python")[0]
        return StorageError(f"cannot join on the disk: {said}", where=str(scratch))
    return None


def parquet(files: Sequence[Path], schema: pa.Schema) -> str:
    """SQL for the rows of some Parquet files; of none, if there are no files."""
    if not files:
        nothing = ", ".join(f"NULL::{_SQL_TYPES[field.type]} AS {field.name}" for field in schema)
        return f"(SELECT {nothing} WHERE false)"
    paths = ", ".join("'" + glob.escape(str(file)).replace("'", "''") + "'" for file in files)
    return f"read_parquet([{paths}])"


def write_sorted(connection: Any, query: str, out: Path, schema: pa.Schema) -> None:
    """Write the rows of an ordered query: the same rows give the same bytes.

    Raises:
        StorageError: the disk refuses.
    """
    with atomic_write(out) as stream, pq.ParquetWriter(stream, schema, compression="zstd") as writer:
        waiting: list[pa.RecordBatch] = []
        for batch in connection.sql(query).to_arrow_reader(_ROW_GROUP):
            waiting.append(batch.cast(schema))
            table = pa.Table.from_batches(waiting)
            while table.num_rows >= _ROW_GROUP:
                writer.write_table(table.slice(0, _ROW_GROUP))
                table = table.slice(_ROW_GROUP)
            waiting = table.to_batches()
        if waiting:
            writer.write_table(pa.Table.from_batches(waiting, schema))


_SQL_TYPES = {pa.int64(): "BIGINT", pa.int32(): "INTEGER", pa.uint64(): "UBIGINT"}
