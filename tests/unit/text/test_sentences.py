"""Sentence splitting."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erya.text.sentences import SentenceOptions, sentence_ends, sentences

ALPHABET = st.sampled_from("中文a1 。！？.…；，\"'”」）(\n\u3000😀?!&/")
TEXTS = st.text(ALPHABET | st.characters(), max_size=40)
OPTIONS = st.builds(SentenceOptions, ellipsis=st.booleans(), semicolon=st.booleans())


def split(text, **options):
    return [text[start:end] for start, end in sentences(text, SentenceOptions(**options))]


@given(TEXTS, OPTIONS)
def test_sentences_cover_all_but_white_space(text, options):
    spans = sentences(text, options)
    covered = [place for start, end in spans for place in range(start, end)]
    assert covered == sorted(set(covered))
    assert all(text[place].isspace() for place in set(range(len(text))) - set(covered))
    assert all(start < end and text[start:end] == text[start:end].strip() for start, end in spans)
    assert sentence_ends(text, options).nonzero()[0].tolist() == [end - 1 for _, end in spans]


@given(st.lists(TEXTS.filter(lambda text: "\n" not in text), max_size=4), OPTIONS)
def test_a_line_splits_the_same_alone_and_in_company(lines, options):
    together = sentences("\n".join(lines), options)
    alone, offset = [], 0
    for line in lines:
        alone += [(start + offset, end + offset) for start, end in sentences(line, options)]
        offset += len(line) + 1
    assert together == alone


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("他说：“你好！”，然后走了。“再见。”她说。", ["他说：“你好！”，然后走了。", "“再见。”", "她说。"]),
        ('他说："好。"然后走了。"真的吗?"她问。', ['他说："好。"', "然后走了。", '"真的吗?"', "她问。"]),
        ('他走了。"好"他说。', ["他走了。", '"好"他说。']),
        ("圆周率是3.14159，见https://a.b/c?d=e.f。好", ["圆周率是3.14159，见https://a.b/c?d=e.f。", "好"]),
        (
            "Dr. Wang works at Apple Inc. in the U.S. today. He is nice. OK",
            ["Dr. Wang works at Apple Inc. in the U.S. today.", "He is nice.", "OK"],
        ),
        ("真的？！太好了……我不信。。。走", ["真的？！", "太好了……", "我不信。。。", "走"]),
        ("「好。」「走。」（完。）", ["「好。」", "「走。」", "（完。）"]),
        ("1. 第一条\n2.第二条", ["1. 第一条", "2.第二条"]),
        ("我用Node.js写Python.他不", ["我用Node.js写Python.", "他不"]),
        ("见 approx. five 个", ["见 approx. five 个"]),
        ("...开头", ["...", "开头"]),
        ("一\r\n二\u2028三", ["一", "二", "三"]),
        ("", []),
        (" \n\u3000", []),
    ],
)
def test_examples(text, expected):
    assert split(text) == expected


def test_options():
    assert split("一；二；", semicolon=True) == ["一；", "二；"]
    assert split("一；二；") == ["一；二；"]
    assert split("他想……走。好", ellipsis=False) == ["他想……走。", "好"]


def test_a_long_line_of_quotes_takes_linear_time():
    assert len(sentences('他说"好。"' * 50_000)) == 50_000
