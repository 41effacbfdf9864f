"""Duplicates among all documents of a corpus, by their signatures."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from erya.corpus.deduplicate.database import open_database, parquet, write_sorted
from erya.corpus.deduplicate.leaders import follow_leaders
from erya.corpus.deduplicate.near import find_edges, join_clusters
from erya.corpus.deduplicate.options import DeduplicateOptions
from erya.corpus.deduplicate.signature_file import SignatureFile, keep_similar, with_places
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

# What is known of near duplicates; empty where none are looked for.
_TABLES = """
    CREATE TABLE labels (doc BIGINT, head BIGINT);
    CREATE TABLE heads (doc BIGINT, fingerprint UBIGINT);
    CREATE TABLE followers (doc BIGINT, leader BIGINT);
    CREATE TABLE similarities (a BIGINT, b BIGINT, matches INTEGER)
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
    bands = band_names(options)
    steps = _Steps(len(bands) + 3, on_progress)
    with open_database(memory_bytes=memory_bytes, threads=threads, scratch=scratch) as connection:
        _find_copies(connection, parquet(signatures, signature_schema(options)))
        connection.execute(_TABLES)
        steps.step()
        if bands:
            _find_near(connection, signatures, scratch, options, steps.step)
        steps.step()
        _list_members(connection, options)
        write_sorted(connection, "SELECT * FROM members ORDER BY doc", out, DUPLICATES)
        steps.step()
        return _counts(connection)


def _find_near(
    connection: Any,
    files: Sequence[Path],
    scratch: Path,
    options: DeduplicateOptions,
    step: Callable[[], None],
) -> None:
    """Fill the tables of _TABLES."""
    bands = band_names(options)
    with tempfile.TemporaryDirectory(prefix="signatures-", dir=scratch) as directory:
        signatures = SignatureFile(Path(directory) / "signatures", bands)
        try:
            _load_signatures(connection, signatures, files, options)
            find_edges(connection, signatures, bands, options.enough, step)
            join_clusters(connection)
            follow_leaders(connection, signatures, options.enough)
            _compare_with_kept(connection, signatures)
        finally:
            signatures.close()


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


def _load_signatures(
    connection: Any, signatures: SignatureFile, files: Sequence[Path], options: DeduplicateOptions
) -> None:
    """Make `signatures` of all documents that are long enough and no copies."""
    schema = signature_schema(options).append(pa.field("place", pa.int64()))
    loaded = pa.RecordBatchReader.from_batches(schema, signatures.load(files))
    # One statement that draws the rows through: a statement a batch would write all of them twice, to the
    # log and to the table.
    connection.register("loaded", loaded)
    connection.execute("""
        CREATE TABLE signatures AS
        SELECT * FROM loaded ANTI JOIN (SELECT doc FROM copies WHERE doc <> original) USING (doc)
    """)
    connection.unregister("loaded")


def _compare_with_kept(connection: Any, signatures: SignatureFile) -> None:
    """Fill `similarities` of every document that follows, and `heads`, the fingerprints of clusters."""
    followed = with_places("(SELECT leader AS a, doc AS b FROM followers)")
    keep_similar(connection, signatures, followed, "similarities")
    connection.execute("""
        INSERT INTO heads
        SELECT doc, fingerprint FROM signatures SEMI JOIN labels ON signatures.doc = labels.head
    """)


def _list_members(connection: Any, options: DeduplicateOptions) -> None:
    """Make `members`, the rows of DUPLICATES: copies stand where their originals do."""
    connection.execute(f"""
        CREATE TABLE members AS
        WITH known AS (
            SELECT doc, original, fingerprint FROM copies
            UNION ALL SELECT doc, doc, NULL FROM labels ANTI JOIN copies USING (doc)
        )
        SELECT known.doc, coalesce(leader, original) AS first,
            coalesce(heads.fingerprint, known.fingerprint) AS cluster,
            coalesce(matches / {options.permutations}, 1) AS similarity,
            CASE WHEN known.doc <> original THEN 'exact' WHEN leader IS NULL THEN 'first' ELSE 'near' END
            AS kind
        FROM known
        LEFT JOIN labels ON labels.doc = original
        LEFT JOIN heads ON heads.doc = labels.head
        LEFT JOIN followers ON followers.doc = original
        LEFT JOIN similarities ON similarities.b = original
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
