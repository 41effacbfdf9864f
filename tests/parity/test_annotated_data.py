"""Published sets in full: as many texts, entities and answers as their authors say, and no other mistakes."""

import os
from collections import Counter
from pathlib import Path

import pytest

from erya.data.annotations.detection import detect_layout, read_annotated, read_questions
from erya.data.problems import Problems

TASKS = Path(os.environ.get("ERYA_DATA", "absent")) / "tasks"
pytestmark = pytest.mark.skipif(not TASKS.is_dir(), reason="ERYA_DATA names no folder with tasks/")


@pytest.mark.parametrize(
    ("name", "layout", "texts", "entities", "types", "broken"),
    [
        ("msra_ner/train.bio.xz", "conll", 50_658, 74_709, 3, 6),
        ("msra_ner/test.bio", "conll", 4_631, 6_192, 3, 11),
        ("resume_ner/train.char.bmes", "conll", 3_821, 13_440, 8, 4),
        ("resume_ner/dev.char.bmes", "conll", 463, 1_497, 8, 0),
        ("resume_ner/test.char.bmes", "conll", 477, 1_630, 8, 0),
        ("cluener/train.json.xz", "cluener", 10_748, 23_972, 10, 0),
        ("cluener/dev.json", "cluener", 1_343, 3_072, 10, 0),
    ],
)
def test_entities(name, layout, texts, entities, types, broken):
    path = TASKS / name
    assert detect_layout(path) == layout
    problems, kinds, num_texts = Problems(), Counter(), 0
    for one in read_annotated(path, report=problems.note):
        num_texts += 1
        kinds.update(entity.type for entity in one.entities)
    assert (num_texts, kinds.total(), len(kinds)) == (texts, entities, types)
    assert problems.counts == ({"a broken tag": broken} if broken else {})


@pytest.mark.parametrize(
    ("name", "questions", "answers", "unplaced"),
    [
        ("cmrc2018/train.json.xz", 10_142, 10_142, 21),
        ("cmrc2018/dev.json.xz", 3_219, 9_657, 193 + 7),
        ("cmrc2018/trial.json", 1_002, 1_002, 5),
    ],
)
def test_questions(name, questions, answers, unplaced):
    problems = Problems()
    read = list(read_questions(TASKS / name, report=problems.note))
    assert (len(read), sum(len(one.answers) for one in read)) == (questions, answers)
    assert sum(not answer.is_placed for one in read for answer in one.answers) == unplaced
    assert problems.counts == {"an answer not at its place": unplaced}
    assert all(a.text == q.context[a.start : a.end] for q in read for a in q.answers if a.is_placed)
