"""Marked texts: every character once, cut where marks begin and end, long texts around their marks only."""

import random

from erya.evaluate.highlight import GAP, highlighted
from erya.evaluate.outcome import Mark


def test_pieces_join_to_the_text_whatever_overlaps():
    rng = random.Random(5)
    text = "王小明在北京大学<b>学习中文。" * 3
    for _ in range(200):
        marks = []
        for _ in range(rng.randint(0, 6)):
            start = rng.randrange(len(text))
            marks.append(Mark(start, rng.randint(start + 1, len(text)), rng.choice("AB")))
        half = len(marks) // 2
        gold, found = marks[:half], marks[half:]
        pieces = highlighted(text, gold, found)
        assert "".join(piece.text for piece in pieces) == text
        flags = [(piece.in_truth, piece.in_answer) for piece in pieces for _ in piece.text]
        for place, (in_truth, in_answer) in enumerate(flags):
            assert in_truth == any(mark.start <= place < mark.end for mark in gold)
            assert in_answer == any(mark.start <= place < mark.end for mark in found)


def test_tags_say_who_has_the_stretch():
    pieces = highlighted(
        "北京大学", [Mark(0, 2, "LOC"), Mark(0, 4, "ORG")], [Mark(0, 4, "ORG"), Mark(2, 4, "X")]
    )
    tags = {tag.name: (tag.in_truth, tag.in_answer) for piece in pieces for tag in piece.tags}
    assert tags == {"LOC": (True, False), "ORG": (True, True), "X": (False, True)}


def test_long_texts_show_what_stands_around_the_marks():
    text = "前" * 500 + "北京" + "后" * 500
    pieces = highlighted(text, [Mark(500, 502, "LOC")], [])
    shown = "".join(piece.text for piece in pieces)
    assert shown.startswith(GAP) and shown.endswith(GAP) and "前北京后" in shown and len(shown) < 100
    assert [piece.text for piece in pieces if piece.in_truth] == ["北京"]
    assert len("".join(piece.text for piece in highlighted("长" * 1000, [], []))) < 200


def test_marks_that_do_not_fit_are_left_out():
    pieces = highlighted("短", [Mark(0, 9, "X"), Mark(-1, 1, "Y"), Mark(1, 1, "Z")], [])
    assert "".join(piece.text for piece in pieces) == "短"
