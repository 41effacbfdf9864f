"""Measures of rankings. Their unit is the query: intervals and tests draw queries, not rows of the file."""

from __future__ import annotations

from typing import Any

import numpy as np

from erya.evaluate.estimates import Estimate, estimate_counts
from erya.evaluate.measures import Measure, Values, ratio
from erya.evaluate.sums import CountTable
from erya.metrics.lost_queries import LostQuery
from erya.metrics.ranking import RankingScores
from erya.tasks.embed.scores import EmbedScores
from erya.tasks.match.scores import MatchScores

# As the tasks' own numbers call them, and as people read them.
TITLES = {
    "mrr@10": "MRR@10",
    "ndcg@10": "nDCG@10",
    "recall@1": "recall@1",
    "recall@10": "recall@10",
    "map": "mean average precision",
}


def ranking_of(scores: Any) -> RankingScores | None:
    """The ranking among a task's scores; None where there is none, or no query has a relevant candidate."""
    if not isinstance(scores, MatchScores | EmbedScores) or scores.ranking is None:
        return None
    return scores.ranking if scores.ranking.num_queries else None


def num_unanswerable(scores: Any) -> int:
    """How many queries have no relevant candidate, whatever their order."""
    if not isinstance(scores, MatchScores | EmbedScores) or scores.ranking is None:
        return 0
    return scores.ranking.num_without_relevant


def lost_of(scores: Any) -> tuple[LostQuery, ...]:
    """The worst queries of a task's scores."""
    return scores.lost if isinstance(scores, MatchScores | EmbedScores) else ()


def query_measures(scores: Any) -> tuple[Measure, ...]:
    """The measures of a ranking that a run may be watched by, as functions of their `query_counts` summed."""
    if ranking_of(scores) is None:
        return ()
    numbers = scores.numbers()
    return tuple(ratio(name, title, 1, 0) for name, title in TITLES.items() if name in numbers)


def query_counts(ranking: RankingScores, name: str) -> Values:
    """Of each query 1 and its value: what the mean over queries is computed from, shape (Q, 2).

    One measure at a time: of most there are a dozen different values, and equal rows are drawn as one.
    """
    column = list(ranking.values).index(name)
    return np.stack([np.ones(ranking.num_queries), ranking.rows_QK[:, column]], axis=1)


def estimate_ranking(scores: Any) -> tuple[Estimate, ...]:
    """The measures of a ranking with intervals; empty where there is none."""
    ranking = ranking_of(scores)
    if ranking is None:
        return ()
    found: list[Estimate] = []
    for measure in query_measures(scores):
        table = CountTable(2)
        for row in query_counts(ranking, measure.name):
            table.add(row)
        found += estimate_counts(table, (measure,))
    return tuple(found)
