"""Pairs of documents that are nearly the same, and the clusters these pairs make.

All of it is SQL over the table `signatures` (doc, fingerprint, one column a band), so that it may outgrow
memory. Nothing depends on the order of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from erya.corpus.deduplicate.options import ROWS

# Four 16-bit lanes of a 64-bit number: all bits but the highest of each, and the highest.
_LOW, _HIGH = 0x7FFF7FFF7FFF7FFF, 0x8000800080008000


def find_edges(connection: Any, bands: Sequence[str], enough: int, on_band: Callable[[], None]) -> None:
    """Make the table `edges` (a, b): pairs with a < b whose signatures have `enough` minima in common.

    Documents with a band in common are a bucket. Each is compared with the first of its bucket and with
    the one before it: a bucket of any size gives at most two pairs a document.
    """
    connection.execute("CREATE TABLE met (a BIGINT, b BIGINT)")
    for band in bands:
        connection.execute(f"""
            INSERT INTO met
            WITH shared AS (SELECT {band} FROM signatures GROUP BY {band} HAVING count(*) > 1),
            placed AS (
                SELECT doc, first_value(doc) OVER bucket AS first, lag(doc) OVER bucket AS previous
                FROM signatures SEMI JOIN shared USING ({band})
                WINDOW bucket AS (PARTITION BY {band} ORDER BY doc)
            )
            SELECT first, doc FROM placed WHERE first < doc
            UNION ALL SELECT previous, doc FROM placed WHERE first < previous
        """)
        on_band()
    connection.execute("CREATE TABLE candidates AS SELECT DISTINCT a, b FROM met")
    connection.execute("DROP TABLE met")
    compared = compare("candidates", bands)
    connection.execute(f"CREATE TABLE edges AS SELECT a, b FROM ({compared}) WHERE matches >= {enough}")
    connection.execute("DROP TABLE candidates")


def compare(pairs: str, bands: Sequence[str]) -> str:
    """SQL for (a, b, matches) of the pairs in a table: how many minima of their signatures are equal."""
    differences = " + ".join(_different_lanes(f"x.{band}", f"y.{band}") for band in bands)
    return f"""
        SELECT a, b, {ROWS * len(bands)} - ({differences}) AS matches
        FROM {pairs} JOIN signatures AS x ON x.doc = a JOIN signatures AS y ON y.doc = b
    """


def join_clusters(connection: Any) -> None:
    """Make the table `labels` (doc, head): the first document of the cluster, for every one in an edge.

    Every document takes the smallest label among its neighbours', then its label's label, until nothing
    changes: the rounds grow with the logarithm of the longest chain.
    """
    connection.execute("""
        CREATE TABLE both_ways AS SELECT a, b FROM edges UNION ALL SELECT b, a FROM edges;
        CREATE TABLE labels AS SELECT a AS doc, least(a, min(b)) AS head FROM both_ways GROUP BY a
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


def _different_lanes(left: str, right: str) -> str:
    """SQL for how many of the four 16-bit lanes of two 64-bit numbers differ.

    A lane of the difference is zero if neither its highest bit is set nor, when 0x7FFF is added to the
    others, the carry into it.
    """
    return (
        f"bit_count((((xor({left}, {right}) & {_LOW}) + {_LOW}) | xor({left}, {right})) & {_HIGH})::INTEGER"
    )
