"""One block to documents: the same for a record alone and in company."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from erya.corpus.read import Block, RawFile
from erya.corpus.stages import (
    DAMAGED,
    NO_FIELD,
    NOT_JSON,
    TOO_SHORT,
    CleanStage,
    StageOptions,
    is_heldout,
)
from erya.data.documents import unpack_bits
from erya.text.sentences import sentence_ends
from erya.text.words import Segmenter, UserWord

STAGE = CleanStage(StageOptions())


def block(data, tmp_path, *, unit="line", is_json=False, encoding="utf-8", first_line=1):
    file = RawFile(tmp_path / "raw.txt", unit, is_json, encoding)
    return Block(file, data, encoding, first_line, len(data))


def texts(outcome):
    return outcome.documents["text"].to_pylist()


def test_marks_are_those_of_the_text_alone(tmp_path):
    lines = ["他说：“好。”我走了", "A sentence. Another one 1", "２０２６年，研究生命起源。😀𠮷", "它有2020."]
    outcome = STAGE(block("\n".join(lines).encode(), tmp_path))
    assert len(texts(outcome)) == 4
    for row in outcome.documents.to_pylist():
        text = row["text"]
        assert np.array_equal(unpack_bits(row["word_starts"], len(text)), Segmenter().starts(text))
        assert np.array_equal(unpack_bits(row["sentence_ends"], len(text)), sentence_ends(text))
        assert row["source"] == "raw"


def test_json_records(tmp_path):
    records = [
        json.dumps({"text": "第一篇文章　ＯＫ", "source": "报纸", "title": "标题 "}, ensure_ascii=False),
        "",
        '{"text": 5}',
        '{"text": "坏了',
        '["text"]',
        '{"body": "没有"}',
        json.dumps({"text": "第二篇文章\ud83d", "title": 7}),
        '{"text": "短"}',
    ]
    outcome = STAGE(block("\n".join(records).encode(), tmp_path, is_json=True, first_line=11))
    assert texts(outcome) == ["第一篇文章 OK", "第二篇文章\ufffd"]
    assert outcome.documents["source"].to_pylist() == ["报纸", "raw"]
    assert outcome.documents["title"].to_pylist() == ["标题", None]
    assert outcome.records == 7
    assert dict(outcome.dropped) == {NO_FIELD: 2, NOT_JSON: 2, TOO_SHORT: 1}
    assert [(problem.line, problem.reason) for problem in outcome.problems] == [
        (13, NO_FIELD),
        (14, NOT_JSON),
        (15, NOT_JSON),
        (16, NO_FIELD),
    ]


def test_another_field_and_options(tmp_path):
    options = StageOptions(
        field="body", conversion="t2s", min_characters=3, user_words=(UserWord("国家队长"),), heldout=0
    )
    outcome = CleanStage(options)(block('{"body": "國家隊長"}'.encode(), tmp_path, is_json=True))
    row = outcome.documents.to_pylist()[0]
    assert row["text"] == "国家队长" and row["split"] == "train"
    assert unpack_bits(row["word_starts"], 4).tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    ("text", "expected", "lines"),
    [
        (
            "一二三四五\n六\n\n七八九十甲\n \n\n乙丙丁戊己\n",
            ["一二三四五\n六", "七八九十甲", "乙丙丁戊己"],
            3,
        ),
        ("\n\n一二三四五\r\n\r\n六七八九十", ["一二三四五", "六七八九十"], 2),
    ],
)
def test_paragraphs(tmp_path, text, expected, lines):
    outcome = STAGE(block(text.encode(), tmp_path, unit="paragraph"))
    assert texts(outcome) == expected and outcome.records == lines


def test_whole_file(tmp_path):
    outcome = STAGE(block("一二三\n\n四五六\n".encode(), tmp_path, unit="file"))
    assert texts(outcome) == ["一二三\n四五六"]


def test_damaged_bytes_are_kept_and_counted(tmp_path):
    data = "完好的一行字\n".encode() + b"\xff\xff" + "坏掉的一行字\n".encode()
    outcome = STAGE(block(data, tmp_path))
    assert texts(outcome) == ["完好的一行字", "\ufffd\ufffd坏掉的一行字"]
    assert outcome.damaged == 1
    assert [(problem.line, problem.reason) for problem in outcome.problems] == [(2, DAMAGED)]


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=50), st.randoms())
def test_the_split_is_a_function_of_the_cluster(numbers, random):
    clusters = np.array(numbers, dtype=np.uint64)
    order = list(range(len(numbers)))
    random.shuffle(order)
    drawn = is_heldout(clusters, 0.3)
    assert is_heldout(clusters[order], 0.3).tolist() == drawn[order].tolist()
    # A larger share keeps what a smaller one held out.
    assert (is_heldout(clusters, 0.5) | ~drawn).all()


def test_the_split_has_the_share_asked_for():
    clusters = np.arange(100_000, dtype=np.uint64)
    assert abs(is_heldout(clusters, 0.05).mean() - 0.05) < 0.003
    assert not is_heldout(clusters, 0).any()
