"""Which documents of a cluster are kept: those that are not nearly the same as an earlier one that is kept.

A chain of near duplicates, each a little different from the one before, ends far from where it began: daily
reports, contracts from one form. Were only the first of a cluster kept, most of what is lost would be unlike
anything that stays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from erya.corpus.deduplicate.signature_file import SignatureFile, keep_similar, with_places

_BATCH = 1 << 16
# Each finds fewer than the one before; thousands of documents from one form go on for dozens.
_ROUNDS = 24


def follow_leaders(connection: Any, signatures: SignatureFile, enough: int) -> None:
    """Fill the table `followers` (doc, leader): every document that an earlier kept one makes superfluous.

    Args:
        connection: with the tables `signatures`, `edges` (a, b; a < b) and `labels` (doc).
        signatures: of the documents.
        enough: equal minima from which two documents are nearly the same.
    """
    connection.execute("""
        CREATE TABLE places AS SELECT doc, row_number() OVER (ORDER BY doc) - 1 AS place FROM labels;
        CREATE TABLE tried (a BIGINT, b BIGINT)
    """)
    _follow(connection)
    for _ in range(_ROUNDS):
        if not _try_leaders(connection, signatures, enough):
            break
        connection.execute("DELETE FROM followers")
        _follow(connection)
    connection.execute("DROP TABLE places; DROP TABLE tried")


def _try_leaders(connection: Any, signatures: SignatureFile, enough: int) -> bool:
    """Compare what is kept with the leaders of what it resembles: it may never have been. True: found one."""
    connection.execute("""
        CREATE TABLE unmet AS
        WITH related AS (
            SELECT leader, b AS other FROM followers JOIN edges ON a = doc
            UNION ALL SELECT leader, a FROM followers JOIN edges ON b = doc
        ), kept AS (
            SELECT least(leader, other) AS a, greatest(leader, other) AS b
            FROM related ANTI JOIN followers ON followers.doc = other WHERE leader <> other
        )
        SELECT DISTINCT a, b FROM kept ANTI JOIN tried USING (a, b);
        INSERT INTO tried SELECT a, b FROM unmet
    """)
    before = _count(connection, "edges")
    keep_similar(connection, signatures, with_places("unmet"), "edges", enough=enough)
    connection.execute("DROP TABLE unmet")
    return _count(connection, "edges") > before


def _count(connection: Any, table: str) -> int:
    count: int = connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]
    return count


def _follow(connection: Any) -> None:
    """Go through the documents in their order. One byte a document in an edge is held in memory."""
    writer = connection.cursor()
    follows = bytearray(_count(connection, "places"))
    edges = connection.sql("""
        SELECT x.place AS a_place, y.place AS b_place, a, b
        FROM edges JOIN places AS x ON x.doc = a JOIN places AS y ON y.doc = b ORDER BY b, a
    """)
    for batch in edges.to_arrow_reader(_BATCH):
        chosen = np.zeros(batch.num_rows, dtype=np.bool_)
        pairs = zip(batch["a_place"].to_pylist(), batch["b_place"].to_pylist(), strict=True)
        for row, (earlier, later) in enumerate(pairs):
            if not follows[earlier] and not follows[later]:
                follows[later] = chosen[row] = True
        found = pa.table({"doc": batch["b"], "leader": batch["a"]}).filter(pa.array(chosen))
        writer.register("found", found)
        writer.execute("INSERT INTO followers SELECT doc, leader FROM found")
        writer.unregister("found")
