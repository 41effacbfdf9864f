"""Rankings and correlations against scikit-learn and scipy, on random queries."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from erya.metrics.correlation import pearson, spearman
from erya.metrics.ranking import RankingCounts, query_scores, ranked

sklearn = pytest.importorskip("sklearn.metrics", reason="scikit-learn (extra demo) is the reference")
stats = pytest.importorskip("scipy.stats", reason="scipy is the reference")


def queries(seed, count, *, grades):
    """Distinct scores (of equal ones scikit-learn takes the mean) and grades, a few relevant."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        size = int(rng.integers(2, 30))
        yield rng.permutation(size) / size, rng.integers(0, grades + 1, size) * (rng.random(size) < 0.5)


@pytest.mark.parametrize("k", [1, 3, 10, 50])
def test_ndcg_equals_scikit_learn(k):
    for scores, relevance in queries(1, 60, grades=4):
        values = query_scores(ranked(scores, relevance), cutoffs=(k,))
        expected = sklearn.ndcg_score(relevance[None], scores[None], k=k)
        assert (values or {f"ndcg@{k}": 0.0})[f"ndcg@{k}"] == pytest.approx(expected)


def test_map_and_mrr_equal_scikit_learn():
    """Its reciprocal rank: label ranking average precision, with all but the best relevant one taken away."""
    counts = RankingCounts((100,))
    precisions, reciprocals = [], []
    for scores, relevance in queries(2, 80, grades=1):
        counts.add(ranked(scores, relevance))
        if relevance.any():
            precisions.append(sklearn.average_precision_score(relevance, scores))
            best = scores == max(scores[relevance > 0])
            reciprocals.append(sklearn.label_ranking_average_precision_score(best[None], scores[None]))
    numbers = counts.scores().numbers()
    assert numbers["map"] == pytest.approx(np.mean(precisions))
    assert numbers["mrr@100"] == pytest.approx(np.mean(reciprocals))
    assert counts.scores().num_without_relevant == 80 - len(precisions) > 0


@pytest.mark.parametrize("k", [1, 4, 20])
def test_precision_and_recall_equal_scikit_learn(k):
    """The k best are what a classifier would have called relevant."""
    for scores, relevance in queries(3, 60, grades=1):
        values = query_scores(ranked(scores, relevance), cutoffs=(k,))
        if values is None:
            continue
        called = np.argsort(np.argsort(-scores)) < k
        assert values[f"recall@{k}"] == pytest.approx(sklearn.recall_score(relevance, called))
        if len(scores) >= k:
            assert values[f"precision@{k}"] == pytest.approx(sklearn.precision_score(relevance, called))


VALUES = arrays.arrays(np.float64, 12, elements=st.sampled_from([-2.0, -1.0, 0.0, 0.5, 1.0, 3.0, 1e6]))


@settings(max_examples=150, deadline=None)
@given(VALUES, VALUES)
def test_correlations_equal_scipy_also_with_ties(first, second):
    if np.ptp(first) and np.ptp(second):
        assert pearson(first, second) == pytest.approx(stats.pearsonr(first, second)[0], abs=1e-9)
        assert spearman(first, second) == pytest.approx(stats.spearmanr(first, second)[0], abs=1e-9)
    else:
        assert pearson(first, second) == spearman(first, second) == 0.0
