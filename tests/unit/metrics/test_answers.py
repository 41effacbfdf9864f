"""Answer scores by hand, with unanswerable questions, and at their edges."""

import json

import pytest

from erya.metrics.answers import AnswerCounts, character_f1, exact_match


@pytest.mark.parametrize(
    ("answers", "prediction", "exact", "f1"),
    [
        (["北京大学"], "北京大学", 1, 1.0),
        (["北京大学"], "《北京大学》。", 1, 1.0),
        (["NBA总决赛"], "nba总决赛", 1, 1.0),
        (["北京大学"], "北京", 0, 2 * 1.0 * 0.5 / 1.5),
        (["北京大学"], "南京大学", 0, 2 * 0.75 * 0.75 / 1.5),  # 京大学
        (["北京大学"], "大学北京", 0, 0.5),  # the longest run, not the characters in common
        (["上海", "北京大学"], "北京大学生", 0, 8 / 9),
        (["上海", "北京"], "北京", 1, 1.0),
        (["Peking University"], "University", 0, 2 / 3),
        (["北京 大学"], "北京大学", 0, 1.0),  # spaces count for exact match only, as in the script
        (["北京"], "", 0, 0.0),
        (["。"], "", 1, 0.0),  # the script's own inconsistency
        ([], "", 1, 1.0),
        ([], "。", 1, 1.0),
        ([], "北京", 0, 0.0),
    ],
)
def test_by_hand(answers, prediction, exact, f1):
    assert exact_match(answers, prediction) == bool(exact)
    assert character_f1(answers, prediction) == pytest.approx(f1)


def test_unanswerable_questions_are_reported_apart():
    counts = AnswerCounts()
    counts.add([["北京"], ["北京大学"]], ["北京", "北京"])
    counts.add([(), (), ("上海",)], ["", "北京", ""])
    scores = counts.scores()
    assert (scores.answerable.num_questions, scores.unanswerable.num_questions) == (3, 2)
    assert scores.answerable.exact_match == pytest.approx(1 / 3)
    assert scores.answerable.f1 == pytest.approx((1 + 2 / 3) / 3)
    assert scores.unanswerable.exact_match == scores.unanswerable.f1 == 0.5
    assert scores.every.f1 == pytest.approx((1 + 2 / 3 + 1) / 5)
    assert scores.num_refused == 2
    assert scores.numbers() == {
        "exact_match": pytest.approx(2 / 5),
        "f1": scores.every.f1,
        "average": pytest.approx((2 / 5 + scores.every.f1) / 2),
    }
    assert json.loads(json.dumps(scores.to_dict()))["unanswerable"]["num_questions"] == 2


def test_a_long_wrong_answer_is_scored_in_no_time():
    assert character_f1(["甲乙丙" * 10], "丁甲乙丙" * 5000) == pytest.approx(2 * 3 / (30 + 20000))


def test_nothing_is_zero_not_an_error():
    assert AnswerCounts().scores().numbers() == {"exact_match": 0.0, "f1": 0.0, "average": 0.0}


def test_refuses_another_number_of_answers():
    with pytest.raises(ValueError):
        AnswerCounts().add([["北京"]], [])
