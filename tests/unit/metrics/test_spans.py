"""Span scores: counts by hand, what seqeval cannot express (nesting), and what a report needs besides."""

import json

import pytest

from erya.metrics.spans import SpanCounts

GOLD = [{(0, 2, "人"), (3, 7, "地"), (5, 7, "地")}, set(), {(0, 4, "机")}]
FOUND = [{(0, 2, "人"), (3, 7, "机"), (5, 7, "地")}, {(1, 2, "人")}, {(0, 3, "机")}]


def score(gold, found, types=()):
    counts = SpanCounts(types)
    counts.add(gold, found)
    return counts.scores()


def test_counts_by_hand():
    """Right are (0, 2) and the nested (5, 7); a wrong type, a wrong end and an invented span are not."""
    scores = score(GOLD, FOUND)
    assert scores.micro.precision == pytest.approx(2 / 5)
    assert scores.micro.recall == pytest.approx(2 / 4)
    assert scores.micro.f1 == pytest.approx(4 / 9)
    by_type = {row.label: (row.precision, row.recall, row.support, row.predicted) for row in scores.types}
    assert by_type == {"人": (0.5, 1.0, 1, 2), "地": (1.0, 0.5, 2, 1), "机": (0.0, 0.0, 1, 2)}
    assert scores.macro.f1 == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)


def test_boundaries_and_confusions_say_what_types_cost():
    scores = score(GOLD, FOUND)
    assert scores.boundary.precision == pytest.approx(3 / 5)
    assert scores.boundary.recall == pytest.approx(3 / 4)
    assert scores.confusions == (("地", "机", 1),)


def test_a_text_is_right_only_with_every_span_and_none_too_many():
    assert score(GOLD, FOUND).right_examples == 0
    scores = score([{(0, 1, "x")}, set(), set()], [{(0, 1, "x")}, set(), {(0, 1, "x")}])
    assert (scores.right_examples, scores.num_examples) == (2, 3)


def test_two_types_at_one_place_are_two_spans_but_one_boundary():
    both = {(0, 2, "甲"), (0, 2, "乙")}
    scores = score([both], [{(0, 2, "甲")}])
    assert (scores.micro.precision, scores.micro.recall) == (1.0, 0.5)
    assert scores.boundary.recall == 1.0
    assert scores.confusions == ()


def test_batches_add_up():
    parts = SpanCounts()
    for gold, found in zip(GOLD, FOUND, strict=True):
        parts.add([gold], [found])
    assert parts.scores() == score(GOLD, FOUND)


def test_given_types_come_first_and_never_occurring_ones_do_not_weigh():
    scores = score(GOLD, FOUND, types=("机", "无", "人"))
    assert [row.label for row in scores.types] == ["机", "无", "人", "地"]
    assert scores.macro == score(GOLD, FOUND).macro


def test_nothing_is_zero_not_an_error():
    assert score([], []).numbers() == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "macro_f1": 0.0}


def test_refuses_another_number_of_texts():
    with pytest.raises(ValueError):
        score([set()], [])


def test_numbers_are_micro_and_everything_is_json():
    scores = score(GOLD, FOUND)
    assert scores.numbers()["f1"] == scores.micro.f1
    assert scores.numbers()["macro_f1"] == scores.macro.f1
    written = json.loads(json.dumps(scores.to_dict()))
    assert written["f1"] == scores.micro.f1
    assert written["types"][0]["label"] == "人"
    assert written["confusions"] == [["地", "机", 1]]
