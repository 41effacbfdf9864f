"""Answer scores against the definition of CMRC 2018's official script and SQuAD 2.0's, written down anew.

English is taken word by word at spaces here; how Treebank cuts it is checked in `test_segments.py`.
"""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erya.metrics.answers import AnswerCounts, character_f1, exact_match

MARKS = [*"-:_*^/\\~`+=，。：？！“”；’《》", "……", *"·、「」（）－～『』"]
TEXTS = st.text(st.sampled_from("北京大学在海淀的 ab1 ，。《》（）-…龥㐀AB"), max_size=14)


def official_segments(text: str) -> list[str]:
    """`mixed_segmentation(text, rm_punc=True)`."""
    units: list[str] = []
    english = ""
    for character in text.lower().strip():
        if character in MARKS:
            continue
        if "\u4e00" <= character <= "\u9fa5":
            units += [*english.split(), character]
            english = ""
        else:
            english += character
    return units + english.split()


def longest_common_substring(first: list[str], second: list[str]) -> int:
    return max(
        (
            length
            for length in range(1, len(first) + 1)
            for i in range(len(first) - length + 1)
            for j in range(len(second) - length + 1)
            if first[i : i + length] == second[j : j + length]
        ),
        default=0,
    )


def official_f1(answers: list[str], prediction: str) -> float:
    if not answers:
        return official_exact(answers, prediction)
    scores = [0.0]
    for answer in answers:
        answer_units, predicted_units = official_segments(answer), official_segments(prediction)
        common = longest_common_substring(answer_units, predicted_units)
        if common:
            precision, recall = common / len(predicted_units), common / len(answer_units)
            scores.append(2 * precision * recall / (precision + recall))
    return max(scores)


def official_exact(answers: list[str], prediction: str) -> int:
    def bare(text: str) -> str:
        return "".join(character for character in text.lower().strip() if character not in MARKS)

    # A question without answers has the empty answer, as in SQuAD 2.0's script.
    return int(bare(prediction) in [bare(answer) for answer in answers or [""]])


@settings(max_examples=300, deadline=None)
@given(st.lists(TEXTS, max_size=3), TEXTS)
def test_equals_the_official_definition(answers, prediction):
    assert exact_match(answers, prediction) == official_exact(answers, prediction)
    assert character_f1(answers, prediction) == pytest.approx(official_f1(answers, prediction))


def test_equals_the_official_definition_on_answers_that_overlap():
    """Spans of one context, as a model gives them; most random texts would have nothing in common."""
    context = "1998年，北京大学（Peking University）百年校庆在北京人民大会堂举行，NBA与 FIFA 无关。" * 2
    draw = random.Random(5)

    def span() -> str:
        start = draw.randrange(len(context) - 1)
        return context[start : start + draw.randint(0, 20)]

    counts = AnswerCounts()
    gold = [[span() for _ in range(draw.randint(0, 3))] for _ in range(500)]
    said = [draw.choice([*answers, span(), span()]) for answers in gold]
    counts.add(gold, said)
    scores = counts.scores()
    exact = [official_exact(*case) for case in zip(gold, said, strict=True)]
    f1 = [official_f1(*case) for case in zip(gold, said, strict=True)]
    assert 0.1 < sum(exact) / 500 < 0.9
    assert scores.every.exact_match == pytest.approx(sum(exact) / 500)
    assert scores.every.f1 == pytest.approx(sum(f1) / 500)
    asked = [number for number, answers in enumerate(gold) if answers]
    assert scores.answerable.num_questions == len(asked)
    assert scores.answerable.f1 == pytest.approx(sum(f1[i] for i in asked) / len(asked))
