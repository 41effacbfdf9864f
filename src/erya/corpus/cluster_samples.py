"""A few clusters of duplicates with the texts of their members, for somebody to look at."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from erya.corpus.places import FILE_SHIFT
from erya.corpus.read.files import RawFile
from erya.corpus.unit_table import UnitTable
from erya.runtime import require

_CLUSTERS, _MEMBERS, _CHARACTERS = 12, 3, 600


def sample_clusters(duplicates: Path, units: UnitTable, files: Sequence[RawFile]) -> list[dict[str, Any]]:
    """The largest clusters, and some with near-duplicates.

    Args:
        duplicates: what the search for duplicates wrote.
        units: where documents are kept.
        files: the raw files.
    Returns:
        Of each cluster its size and its first members, each with where, text, similarity, kept.
    """
    chosen = _choose(duplicates)
    return [
        {
            "size": size,
            "members": [_member(row, units, files) for row in _members(duplicates, cluster)],
        }
        for cluster, size in chosen
    ]


def _choose(duplicates: Path) -> list[tuple[int, int]]:
    """(cluster, size) of those to show: the same ones in every run."""
    duckdb = require("duckdb")

    half = _CLUSTERS // 2
    query = f"""
        WITH clusters AS (
            SELECT cluster, min(doc) AS earliest, count(*) AS size, count(*) FILTER (kind = 'near') AS near
            FROM read_parquet(?) GROUP BY cluster
        )
        (SELECT cluster, size, earliest FROM clusters ORDER BY size DESC, earliest LIMIT {half})
        UNION (SELECT cluster, size, earliest FROM clusters WHERE near > 0 ORDER BY earliest LIMIT {half})
        ORDER BY size DESC, earliest"""
    with duckdb.connect() as connection:
        found = connection.execute(query, [glob.escape(str(duplicates))]).fetchall()
    return [(cluster, size) for cluster, size, _ in found]


def _members(duplicates: Path, cluster: int) -> list[dict[str, Any]]:
    same = pc.field("cluster") == pa.scalar(cluster, pa.uint64())
    rows: pa.Table = pq.read_table(duplicates, filters=same)
    found: list[dict[str, Any]] = rows.slice(0, _MEMBERS + 1).to_pylist()
    return found


def _member(row: dict[str, Any], units: UnitTable, files: Sequence[RawFile]) -> dict[str, Any]:
    texts = pq.read_table(units.unit_of(row["doc"]).texts)
    found = texts.filter(pc.equal(texts["doc"], row["doc"])).to_pylist()[0]
    return {
        "where": f"{files[row['doc'] >> FILE_SHIFT].path}, line {found['line']}",
        "text": found["text"][:_CHARACTERS],
        "similarity": round(row["similarity"], 3),
        "kept": row["kind"] == "first",
    }
