"""Which lines of which documents stand in earlier documents already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from erya.corpus.deduplicate.cluster import DUPLICATES
from erya.corpus.deduplicate.database import open_database, parquet, write_sorted
from erya.corpus.deduplicate.lines import LINES
from erya.corpus.deduplicate.options import DeduplicateOptions

REPEATED = pa.schema([pa.field("doc", pa.int64()), pa.field("line", pa.int32())])


@dataclass(frozen=True, slots=True)
class LineCounts:
    """What was found.

    Attributes:
        lines: lines to remove.
        documents: documents that lose a line.
        distinct: different lines among them.
    """

    lines: int
    documents: int
    distinct: int


def find_repeated_lines(
    lines: Sequence[Path],
    duplicates: Path,
    out: Path,
    options: DeduplicateOptions,
    *,
    memory_bytes: int,
    threads: int,
    scratch: Path,
) -> LineCounts:
    """Find lines that stand in `options.line_documents` kept documents or more: all but the first loses them.

    With `near="mark"` the documents of a cluster count as one, which all keep the line or all lose it: what
    near duplicates share is no boilerplate.

    Args:
        lines: Parquet files with the rows of `line_batch`.
        duplicates: what `find_duplicates` wrote.
        out: the Parquet file to write, sorted: `doc` and `line`.
        options: what is dropped of duplicates, and how many documents a line must stand in.
        memory_bytes: what the process may come to use.
        threads: how many it may use.
        scratch: a directory for what does not fit into memory, emptied again.
    Raises:
        ConfigError: the memory does not suffice.
        StorageError: the disk refuses.
    """
    dropped = "kind = 'exact'" if options.near == "mark" else "kind <> 'first'"
    owner = "min(doc) OVER (PARTITION BY cluster)" if options.near == "mark" else "doc"
    with open_database(memory_bytes=memory_bytes, threads=threads, scratch=scratch) as connection:
        # A line that one document holds, however often, is left out before anything is counted.
        connection.execute(f"""
            CREATE TABLE found AS
            SELECT doc, kind, {owner} AS owner FROM {parquet([duplicates], DUPLICATES)};
            CREATE TABLE kept AS
            SELECT * FROM {parquet(lines, LINES)}
            ANTI JOIN (SELECT doc FROM found WHERE {dropped}) USING (doc);
            CREATE TABLE shared AS
            SELECT * FROM kept SEMI JOIN (
                SELECT hash FROM kept GROUP BY hash HAVING min(doc) <> max(doc)
            ) USING (hash);
            DROP TABLE kept;
            CREATE TABLE owned AS
            SELECT shared.*, coalesce(owner, doc) AS owner FROM shared LEFT JOIN found USING (doc);
            DROP TABLE shared;
            CREATE TABLE repeated AS
            SELECT doc, line, hash FROM owned JOIN (
                SELECT hash, min(owner) AS owner FROM owned GROUP BY hash
                HAVING count(DISTINCT owner) >= {options.line_documents}
            ) AS earliest USING (hash)
            WHERE owned.owner > earliest.owner
        """)
        write_sorted(connection, "SELECT doc, line FROM repeated ORDER BY doc, line", out, REPEATED)
        counts = connection.execute("""
            SELECT count(*), count(DISTINCT doc), count(DISTINCT hash) FROM repeated
        """).fetchall()[0]
    return LineCounts(*counts)
