"""Pairs of documents that are nearly the same, and the clusters these pairs make.

What joins is SQL over the table `signatures` (doc, place, fingerprint, one column a band), so that it may
outgrow memory. Nothing depends on the order of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from erya.corpus.deduplicate.signature_file import SignatureFile, keep_similar


def find_edges(
    connection: Any,
    signatures: SignatureFile,
    bands: Sequence[str],
    enough: int,
    on_band: Callable[[], None],
) -> None:
    """Make the table `edges` (a, b, matches): pairs with a < b that have `enough` minima in common.

    Documents with a band in common are a bucket. Each is compared with the first of its bucket and with
    the one before it: a bucket of any size gives at most two pairs a document.
    """
    connection.execute("CREATE TABLE met (a BIGINT, b BIGINT, a_place BIGINT, b_place BIGINT)")
    for band in bands:
        connection.execute(f"""
            INSERT INTO met
            WITH shared AS (SELECT {band} FROM signatures GROUP BY {band} HAVING count(*) > 1),
            placed AS (
                SELECT doc, place, first_value(doc) OVER bucket AS first, lag(doc) OVER bucket AS previous,
                    first_value(place) OVER bucket AS first_place, lag(place) OVER bucket AS previous_place
                FROM signatures SEMI JOIN shared USING ({band})
                WINDOW bucket AS (PARTITION BY {band} ORDER BY doc)
            )
            SELECT first, doc, first_place, place FROM placed WHERE first < doc
            UNION ALL SELECT previous, doc, previous_place, place FROM placed WHERE first < previous
        """)
        on_band()
    connection.execute("CREATE TABLE edges (a BIGINT, b BIGINT, matches INTEGER)")
    keep_similar(connection, signatures, "SELECT DISTINCT * FROM met", "edges", enough=enough)
    connection.execute("DROP TABLE met")


def join_clusters(connection: Any) -> None:
    """Fill the table `labels` (doc, head): the first document of the cluster, for every one in an edge.

    Every document takes the smallest label among its neighbours', then its label's label, until nothing
    changes: the rounds grow with the logarithm of the longest chain.
    """
    connection.execute("""
        CREATE TABLE both_ways AS SELECT a, b FROM edges UNION ALL SELECT b, a FROM edges;
        INSERT INTO labels SELECT a, least(a, min(b)) FROM both_ways GROUP BY a
    """)
    changed = True
    while changed:
        connection.execute("""
            CREATE TABLE lowered AS
            SELECT own.doc, least(any_value(own.head), min(other.head)) AS head
            FROM labels AS own JOIN both_ways ON a = own.doc JOIN labels AS other ON other.doc = b
            GROUP BY own.doc;
            CREATE TABLE jumped AS
            SELECT own.doc, next.head FROM lowered AS own JOIN lowered AS next ON next.doc = own.head
        """)
        changed = connection.execute("""
            SELECT count(*) FROM labels JOIN jumped USING (doc) WHERE labels.head <> jumped.head
        """).fetchall() != [(0,)]
        connection.execute("DROP TABLE labels; DROP TABLE lowered; ALTER TABLE jumped RENAME TO labels")
    connection.execute("DROP TABLE both_ways")
