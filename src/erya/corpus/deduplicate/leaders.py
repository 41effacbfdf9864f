"""Which documents of a cluster are kept: those that are not nearly the same as an earlier one that is kept.

A chain of near duplicates, each a little different from the one before, ends far from where it began: daily
reports, contracts from one form. Were only the first of a cluster kept, most of what is lost would be unlike
anything that stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from erya.corpus.deduplicate.near import compare

_BATCH = 1 << 16


def follow_leaders(connection: Any, bands: Sequence[str], enough: int) -> None:
    """Make the table `followers` (doc, leader): every document that an earlier kept one makes superfluous.

    Args:
        connection: with the tables `signatures`, `edges` (a, b; a < b) and `labels` (doc).
        bands: the columns of a signature.
        enough: equal minima from which two documents are nearly the same.
    """
    connection.execute("""
        CREATE TABLE places AS SELECT doc, row_number() OVER (ORDER BY doc) - 1 AS place FROM labels
    """)
    _follow(connection)
    # What resembles a document that is dropped was perhaps never compared with the one that is kept for it.
    connection.execute("""
        CREATE TABLE unmet AS
        WITH near_dropped AS (
            SELECT leader, b AS other FROM followers JOIN edges ON a = doc
            UNION ALL SELECT leader, a FROM followers JOIN edges ON b = doc
        )
        SELECT DISTINCT least(leader, other) AS a, greatest(leader, other) AS b
        FROM near_dropped ANTI JOIN followers ON followers.doc = other
        WHERE leader <> other;
        DROP TABLE followers
    """)
    connection.execute(
        f"INSERT INTO edges SELECT a, b FROM ({compare('unmet', bands)}) WHERE matches >= {enough}"
    )
    _follow(connection)
    connection.execute("DROP TABLE unmet; DROP TABLE places")


def _follow(connection: Any) -> None:
    """Go through the documents in their order. One byte a document in an edge is held in memory."""
    connection.execute("CREATE TABLE followers (doc BIGINT, leader BIGINT)")
    writer = connection.cursor()
    follows = bytearray(connection.execute("SELECT count(*) FROM places").fetchall()[0][0])
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
