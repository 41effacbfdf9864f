"""Queries whose first document is not a relevant one: the worst mistakes of a ranking."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

_MOST = 30


@dataclass(frozen=True, slots=True)
class LostQuery:
    """A query and what was put first instead of what was wanted.

    Attributes:
        text: the query.
        line: where it stands in its file, at first.
        first: the document that was put first, which is not relevant.
        wanted: one that is.
        rank: of the first relevant document, from 2; None where it is none of those that were ranked.
    """

    text: str
    line: int
    first: str
    wanted: str
    rank: int | None


def worst_queries(queries: Iterable[LostQuery], *, most: int = _MOST) -> tuple[LostQuery, ...]:
    """Those of the lowest reciprocal rank, the worst first; of equals the earlier in the file.

    Args:
        queries: all that were lost.
        most: how many are kept.
    """
    return tuple(heapq.nsmallest(most, queries, key=lambda one: (-(one.rank or float("inf")), one.line)))
