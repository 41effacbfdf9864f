"""Duplicates among all documents of a corpus, by their signatures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from erya.corpus.deduplicate.database import open_database, parquet, write_sorted
from erya.corpus.deduplicate.leaders import follow_leaders
from erya.corpus.deduplicate.near import compare, find_edges, join_clusters
from erya.corpus.deduplicate.options import DeduplicateOptions
from erya.corpus.deduplicate.signatures import band_names, signature_schema

DUPLICATES = pa.schema(
    [
        pa.field("doc", pa.int64()),
        pa.field("first", pa.int64()),
        pa.field("cluster", pa.uint64()),
        pa.field("similarity", pa.float32()),
        pa.field("kind", pa.string()),
    ]
)

_NOTHING_NEAR = """
    CREATE TABLE labels (doc BIGINT, head BIGINT);
    CREATE TABLE followers (doc BIGINT, leader BIGINT);
    CREATE TABLE signatures (doc BIGINT, fingerprint UBIGINT);
    CREATE TABLE compared (a BIGINT, b BIGINT, similarity DOUBLE)
"""


@dataclass(frozen=True, slots=True)
class DuplicateCounts:
    """What was found.

    Attributes:
        exact: documents that are copies of an earlier one.
        near: documents that are no copies, but nearly the same as an earlier one that is kept.
        clusters: clusters of two documents or more.
        sizes: how many clusters there are of each size.
    """

    exact: int
    near: int
    clusters: int
    sizes: dict[int, int]


def find_duplicates(
    signatures: Sequence[Path],
    out: Path,
    options: DeduplicateOptions,
    *,
    memory_bytes: int,
    threads: int,
    scratch: Path,
    on_progress: Callable[[int, int], None] | None = None,
) -> DuplicateCounts:
    """Find the documents that are the same or nearly so, and the clusters they make.

    Two documents are in one cluster if a chain of documents leads from one to the other, each nearly the
    same as the next. Of a cluster the first is kept, and every other that is not nearly the same as an
    earlier one that is kept. What is found depends on the documents and options only.

    Args:
        signatures: Parquet files with the rows of `signature_batch`, made with the same options.
        out: the Parquet file to write, sorted by `doc`, only documents of clusters of two or more: `doc`;
            `kind`: `first` (kept), `exact` (a copy of an earlier document, kept or not) or `near`; `first`,
            the kept document it is near, which for a kept one is itself; `similarity` to that (estimated,
            0 to 1); `cluster`, the fingerprint of the first document of the cluster.
        options: whether near duplicates are looked for, and from which similarity on.
        memory_bytes: what the process may come to use.
        threads: how many it may use.
        scratch: a directory for what does not fit into memory, emptied again.
        on_progress: called with the steps done and the steps in all.
    Raises:
        ConfigError: the memory does not suffice.
        StorageError: the disk refuses.
    """
    source = parquet(signatures, signature_schema(options))
    bands = band_names(options)
    steps = _Steps(len(bands) + 3, on_progress)
    with open_database(memory_bytes=memory_bytes, threads=threads, scratch=scratch) as connection:
        _find_copies(connection, source)
        steps.step()
        if bands:
            _load_signatures(connection, source, bands)
            find_edges(connection, bands, options.enough, steps.step)
            join_clusters(connection)
            follow_leaders(connection, bands, options.enough)
        else:
            connection.execute(_NOTHING_NEAR)
        steps.step()
        _list_members(connection, bands, options)
        write_sorted(connection, "SELECT * FROM members ORDER BY doc", out, DUPLICATES)
        steps.step()
        return _counts(connection)


class _Steps:
    def __init__(self, total: int, on_progress: Callable[[int, int], None] | None) -> None:
        self._done, self._total, self._on_progress = 0, total, on_progress

    def step(self) -> None:
        self._done += 1
        if self._on_progress is not None:
            self._on_progress(self._done, self._total)


def _find_copies(connection: Any, source: str) -> None:
    """Make `copies` (doc, original, fingerprint) of all documents that share a fingerprint."""
    connection.execute(f"""
        CREATE TABLE copies AS
        WITH shared AS (
            SELECT fingerprint, min(doc) AS original FROM {source} GROUP BY fingerprint HAVING count(*) > 1
        )
        SELECT doc, original, fingerprint FROM {source} JOIN shared USING (fingerprint)
    """)


def _load_signatures(connection: Any, source: str, bands: Sequence[str]) -> None:
    """Make `signatures` of all documents that are long enough and no copies."""
    connection.execute(f"""
        CREATE TABLE signatures AS
        SELECT doc, fingerprint, {", ".join(bands)}
        FROM {source} ANTI JOIN (SELECT doc FROM copies WHERE doc <> original) USING (doc)
        WHERE {bands[0]} IS NOT NULL
    """)


def _list_members(connection: Any, bands: Sequence[str], options: DeduplicateOptions) -> None:
    """Make `members`, the rows of DUPLICATES: copies stand where their originals do."""
    connection.execute("""
        CREATE TABLE placed AS
        WITH known AS (
            SELECT doc, original, fingerprint FROM copies
            UNION ALL SELECT doc, doc, NULL FROM labels ANTI JOIN copies USING (doc)
        )
        SELECT known.*, coalesce(head, original) AS head, coalesce(leader, original) AS first
        FROM known LEFT JOIN labels ON labels.doc = original LEFT JOIN followers ON followers.doc = original;
        CREATE TABLE apart AS SELECT DISTINCT first AS a, original AS b FROM placed WHERE first <> original
    """)
    if bands:
        compared = (
            f"SELECT a, b, matches / {options.permutations} AS similarity FROM ({compare('apart', bands)})"
        )
        connection.execute(f"CREATE TABLE compared AS {compared}")
    connection.execute("""
        CREATE TABLE members AS
        SELECT placed.doc, first, coalesce(signatures.fingerprint, placed.fingerprint) AS cluster,
            coalesce(similarity, 1) AS similarity,
            CASE WHEN placed.doc <> original THEN 'exact' WHEN original <> first THEN 'near' ELSE 'first' END
            AS kind
        FROM placed LEFT JOIN compared ON a = first AND b = original
        LEFT JOIN signatures ON signatures.doc = head
    """)


def _counts(connection: Any) -> DuplicateCounts:
    kinds = dict(connection.execute("SELECT kind, count(*) FROM members GROUP BY kind").fetchall())
    sizes = dict(
        connection.execute("""
            SELECT size, count(*) FROM (SELECT count(*) AS size FROM members GROUP BY cluster)
            GROUP BY size ORDER BY size
        """).fetchall()
    )
    return DuplicateCounts(kinds.get("exact", 0), kinds.get("near", 0), sum(sizes.values()), sizes)
