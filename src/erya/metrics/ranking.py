"""Scores of rankings over many queries, with graded relevance.

A document is relevant to a query if its grade is above 0. D documents that were ranked, J that were missed.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

CUTOFFS = (1, 5, 10)


@dataclass(frozen=True, slots=True)
class RankingScores:
    """Means over queries.

    Attributes:
        values: by name, each in [0, 1]: `map`, and for each cut-off k `mrr@k`, `ndcg@k`, `recall@k` and
            `precision@k`.
        num_queries: how many were scored.
        num_without_relevant: further queries that have no relevant document: no ranking of theirs is better
            than another, so they are left out.
        rows_QK: the values of each query that was scored, in the order of `values`, shape (Q, K).
    """

    values: dict[str, float]
    num_queries: int
    num_without_relevant: int
    rows_QK: NDArray[np.float64] = field(compare=False, repr=False)

    def numbers(self) -> dict[str, float]:
        """The numbers a run is watched by."""
        return self.values

    def to_dict(self) -> dict[str, Any]:
        """The scores as plain JSON values."""
        return {
            "queries": self.num_queries,
            "queries_without_relevant": self.num_without_relevant,
            **self.values,
        }


class RankingCounts:
    """Gathers the scores of queries as they stream by, a few numbers each.

    Args:
        cutoffs: how many documents from the top are looked at, for each score that is cut off.
    Raises:
        ValueError: a cut-off is below 1.
    """

    def __init__(self, cutoffs: Sequence[int] = CUTOFFS) -> None:
        if not cutoffs or min(cutoffs) < 1:
            raise ValueError(f"cut-offs {tuple(cutoffs)} are not whole numbers from 1")
        self.cutoffs = tuple(cutoffs)
        self._values = array("d")
        self.num_queries = 0
        self.num_without_relevant = 0

    def add(self, ranked_D: ArrayLike, *, missed_J: ArrayLike = ()) -> None:
        """Count a query.

        Args:
            ranked_D: grades of the documents as they were ranked, the best first, shape (D,).
            missed_J: grades of relevant documents that were not ranked at all, in any order, shape (J,).
        Raises:
            ValueError: a grade is negative or not a number.
        """
        values = query_scores(ranked_D, missed_J=missed_J, cutoffs=self.cutoffs)
        if values is None:
            self.num_without_relevant += 1
            return
        self.num_queries += 1
        self._values.extend(values.values())

    def scores(self) -> RankingScores:
        """Means over the queries so far; 0 where there is none."""
        names = _names(self.cutoffs)
        rows = np.array(self._values, dtype=np.float64).reshape(self.num_queries, len(names))
        means = rows.sum(axis=0) / max(1, self.num_queries)
        return RankingScores(
            dict(zip(names, means.tolist(), strict=True)), self.num_queries, self.num_without_relevant, rows
        )


def ranked(scores_D: ArrayLike, grades_D: ArrayLike) -> NDArray[np.float64]:
    """Grades in the order of the scores, the highest first; arguments and ties as of `order_of`."""
    return np.asarray(grades_D, dtype=np.float64)[order_of(scores_D, grades_D)]


def order_of(scores_D: ArrayLike, grades_D: ArrayLike) -> NDArray[np.int64]:
    """The documents in the order of their scores, the highest first, shape (D,).

    Of documents with equal scores the less relevant stand first: a scorer that cannot tell documents apart
    earns nothing from the order they happened to be given in.

    Args:
        scores_D: a model's, shape (D,).
        grades_D: how relevant each document is, 0 for not at all, shape (D,).
    Raises:
        ValueError: the shapes differ, or a score is not a number.
    """
    scores, grades = np.asarray(scores_D, dtype=np.float64), np.asarray(grades_D, dtype=np.float64)
    if scores.shape != grades.shape or scores.ndim != 1:
        raise ValueError(f"scores {scores.shape} and grades {grades.shape} are not one list each")
    if np.isnan(scores).any():
        raise ValueError("a score is not a number")
    return np.lexsort((grades, -scores))


def first_relevant(ranked_D: ArrayLike) -> int | None:
    """The rank, from 1, of the first relevant document among ranked grades; None where none is relevant."""
    (places,) = np.nonzero(np.asarray(ranked_D) > 0)
    return int(places[0]) + 1 if places.size else None


def query_scores(
    ranked_D: ArrayLike, *, missed_J: ArrayLike = (), cutoffs: Sequence[int] = CUTOFFS
) -> dict[str, float] | None:
    """The scores of one query, by name as in `RankingScores`; None if it has no relevant document.

    Gains are the grades themselves, discounted by log2(rank + 1). Precision divides by k also where fewer
    documents were ranked, average precision by all relevant documents, the missed among them.

    Args:
        ranked_D: grades of the documents as they were ranked, the best first, shape (D,).
        missed_J: grades of relevant documents that were not ranked at all, shape (J,).
        cutoffs: the k of the scores that are cut off.
    Raises:
        ValueError: a grade is negative or not a number.
    Source: Järvelin and Kekäläinen 2002, Cumulated gain-based evaluation of IR techniques, section 2 (nDCG);
        Manning, Raghavan and Schütze 2008, Introduction to Information Retrieval, section 8.4 (the others).
    """
    grades, missed = np.asarray(ranked_D, dtype=np.float64), np.asarray(missed_J, dtype=np.float64)
    if not ((grades >= 0).all() and (missed >= 0).all()):
        raise ValueError("a grade is negative or not a number")
    ideal = -np.sort(-np.concatenate([grades, missed]))
    num_relevant = int((ideal > 0).sum())
    if not num_relevant:
        return None
    (places,) = np.nonzero(grades > 0)
    first = int(places[0]) + 1 if places.size else 0
    values = {"map": float((np.arange(1, places.size + 1) / (places + 1)).sum() / num_relevant)}
    for k in cutoffs:
        found = int((places < k).sum())
        row = (
            1 / first if found else 0.0,
            _gain(grades, k) / _gain(ideal, k),
            found / num_relevant,
            found / k,
        )
        values.update(zip(_names_at(k), row, strict=True))
    return values


def _gain(grades: NDArray[np.float64], k: int) -> float:
    top = grades[:k]
    return float((top / np.log2(np.arange(2, top.size + 2))).sum())


def _names_at(k: int) -> tuple[str, ...]:
    return tuple(f"{name}@{k}" for name in ("mrr", "ndcg", "recall", "precision"))


def _names(cutoffs: Sequence[int]) -> list[str]:
    return ["map", *(name for k in cutoffs for name in _names_at(k))]
