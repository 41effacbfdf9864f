"""Rankings by hand: missed documents, ties, queries nobody can answer."""

import json
from math import log2

import pytest

from erya.metrics.lost_queries import LostQuery, worst_queries
from erya.metrics.ranking import RankingCounts, first_relevant, order_of, query_scores, ranked


def test_by_hand_with_a_document_that_was_missed():
    values = query_scores([0, 2, 0, 1], missed_J=[3], cutoffs=(2, 5))
    ideal = 3 + 2 / log2(3)
    assert values == {
        "map": pytest.approx((1 / 2 + 2 / 4) / 3),
        "mrr@2": 0.5,
        "ndcg@2": pytest.approx(2 / log2(3) / ideal),
        "recall@2": pytest.approx(1 / 3),
        "precision@2": 0.5,
        "mrr@5": 0.5,
        "ndcg@5": pytest.approx((2 / log2(3) + 1 / log2(5)) / (ideal + 1 / log2(4))),
        "recall@5": pytest.approx(2 / 3),
        "precision@5": pytest.approx(2 / 5),
    }


def test_the_first_relevant_document_below_the_cut_off_earns_nothing():
    values = query_scores([0, 0, 1], cutoffs=(2, 3))
    assert (values["mrr@2"], values["ndcg@2"], values["recall@2"]) == (0.0, 0.0, 0.0)
    assert values["mrr@3"] == pytest.approx(1 / 3)


def test_nothing_found_is_zero_and_everything_in_order_is_one():
    assert set(query_scores([0, 0], missed_J=[1], cutoffs=(1,)).values()) == {0.0}
    assert set(query_scores([], missed_J=[1], cutoffs=(1,)).values()) == {0.0}
    assert set(query_scores([3, 2], cutoffs=(1, 2)).values()) == {0.5, 1.0}  # half: recall@1
    assert query_scores([3, 2], cutoffs=(2,))["ndcg@2"] == 1.0


def test_equal_scores_earn_nothing_from_the_order_of_the_file():
    assert ranked([0.5, 0.5, 0.5], [1, 0, 2]).tolist() == [0, 1, 2]
    assert ranked([0.1, 0.9, 0.9], [3, 1, 0]).tolist() == [0, 1, 3]


def test_queries_add_up_and_those_without_a_relevant_document_are_told():
    counts = RankingCounts((1,))
    counts.add([1, 0])
    counts.add([0, 1])
    counts.add([0, 0])
    counts.add([])
    scores = counts.scores()
    assert (scores.num_queries, scores.num_without_relevant) == (2, 2)
    assert scores.numbers() == {
        "map": 0.75,
        "mrr@1": 0.5,
        "ndcg@1": 0.5,
        "recall@1": 0.5,
        "precision@1": 0.5,
    }
    written = json.loads(json.dumps(scores.to_dict()))
    assert written["queries"] == written["queries_without_relevant"] == 2
    assert written["ndcg@1"] == 0.5


def test_each_query_keeps_its_values():
    counts = RankingCounts((1,))
    for grades in ([1, 0], [0, 0], [0, 1]):
        counts.add(grades)
    scores = counts.scores()
    names = list(scores.values)
    assert names == ["map", "mrr@1", "ndcg@1", "recall@1", "precision@1"]
    assert scores.rows_QK.tolist() == [[1.0] * 5, [0.5, 0.0, 0.0, 0.0, 0.0]]
    assert RankingCounts((1, 5)).scores().rows_QK.shape == (0, 9)


def test_the_first_relevant_document_has_a_rank():
    assert first_relevant([0, 0.5, 2]) == 2 and first_relevant([0, 0]) is None and first_relevant([]) is None
    assert order_of([0.1, 0.9, 0.9], [3, 1, 0]).tolist() == [2, 1, 0]


def test_the_worst_queries_have_the_lowest_reciprocal_rank():
    lost = [LostQuery("", line, "", "", rank) for line, rank in enumerate((2, 7, None, 7, 3, None))]
    assert [one.line for one in worst_queries(lost)] == [2, 5, 1, 3, 4, 0]
    assert [one.line for one in worst_queries(lost, most=3)] == [2, 5, 1]


def test_nothing_is_zero_not_an_error():
    assert set(RankingCounts().scores().numbers().values()) == {0.0}


@pytest.mark.parametrize("cutoffs", [(), (0,), (5, -1)])
def test_refuses_cut_offs_that_cut_nothing(cutoffs):
    with pytest.raises(ValueError):
        RankingCounts(cutoffs)


def test_refuses_grades_and_scores_that_are_none():
    with pytest.raises(ValueError):
        query_scores([1, -1])
    with pytest.raises(ValueError):
        query_scores([1.0, float("nan")])
    with pytest.raises(ValueError):
        ranked([1.0, float("nan")], [1, 0])
    with pytest.raises(ValueError):
        ranked([1.0], [1, 0])
