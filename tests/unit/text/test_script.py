"""Conversion between scripts, with exact places."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erya.errors import ConfigError
from erya.text.script import CONVERSIONS, convert, convert_text, named

PIECES = [
    "鼠标",
    "内存",
    "网络",
    "程序员",
    "发",
    "头发",
    "面条",
    "么",
    "后",
    "软件",
    "打印机",
    "，",
    "。",
    "a",
    " ",
    "😀",
    "𠮷",
    "\0",
]
PIECES += [
    "滑鼠",
    "記憶體",
    "網路",
    "程式設計師",
    "髮",
    "軟體",
    "印表機",
    "瞭解",
    "乾",
    "沙特阿拉伯",
    "哈萨克斯坦",
    "\n",
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=15).map("".join)


def pieces(result):
    """The stretches of both texts that belong together."""
    spans = list(zip(result.alignment.starts.tolist(), result.alignment.ends.tolist(), strict=True))
    for span in dict.fromkeys(spans):
        first = spans.index(span)
        yield span, result.text[first : first + spans.count(span)]


@settings(max_examples=150, deadline=None)
@given(TEXTS, st.sampled_from(CONVERSIONS))
def test_pieces_cover_the_text_without_gaps(text, conversion):
    result = convert(text, conversion)
    assert result.text == convert_text(text, conversion)
    ends = [0]
    for (start, end), _ in pieces(result):
        assert start == ends[-1]
        ends.append(end)
    assert ends[-1] == len(text)


@settings(max_examples=100, deadline=None)
@given(TEXTS, st.sampled_from(["s2twp", "tw2sp"]))
def test_a_replaced_phrase_is_the_conversion_of_its_place(text, conversion):
    for (start, end), new in pieces(convert(text, conversion)):
        if end - start > 1:
            assert convert_text(text[start:end], conversion) == new


def test_a_longer_phrase_maps_to_its_origin():
    result = convert("我的内存和鼠标", "s2twp")
    assert result.text == "我的記憶體和滑鼠"
    assert result.alignment.original_span(2, 5) == (2, 4)
    assert result.alignment.original_span(3, 4) == (2, 4)
    assert result.alignment.original_span(5, 6) == (4, 5)


def test_characters_keep_their_places():
    result = convert("后面的头发𠮷😀", "s2t")
    assert result.text == "後面的頭髮𠮷😀"
    assert result.alignment.starts.tolist() == list(range(7))


def test_nothing_is_lost_at_a_nul_character():
    assert convert_text("发\0发", "s2tw") == "發\0發"


def test_names():
    assert named("simplified") == "t2s" and named("s2hk") == "s2hk"
    with pytest.raises(ConfigError, match="unknown conversion") as caught:
        named("s2tv")
    assert "s2t" in str(caught.value.hint)
