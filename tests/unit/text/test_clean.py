"""Cleaning: what is repaired, and that every character knows where it comes from."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from erya.text.clean import CleanOptions, clean, clean_text

# Ordinary text mixed with all that needs work.
PIECES = st.sampled_from(
    [
        "中文",
        "Ａ１",
        "！，",
        " ",
        "  ",
        "\t",
        "\n",
        "\r\n",
        "\u3000",
        "\xa0",
        "\u200b",
        "\ufeff",
        "\x00",
        "\x85",
        "😀",
        "👨\u200d👩\u200d👧",
        "❤\ufe0f",
        "中\ufe0f",
        "\u200d",
        "&nbsp;",
        "&amp;",
        "&x",
        "ä¸\xad",
        "é”…",
        "⽂",
        "\ud800",
        "𠮷",
    ]
)
TEXTS = st.lists(PIECES | st.characters(), max_size=12).map("".join)


@given(TEXTS)
@example("\ud83d")
@example(" \u200b ")
def test_alignment_is_monotone_and_inside_the_original(text):
    result = clean(text)
    starts, ends = result.alignment.starts, result.alignment.ends
    assert len(result.text) == len(starts) == len(ends)
    assert result.alignment.original_length == len(text)
    assert (starts < ends).all() and (starts >= 0).all() and (ends <= len(text)).all()
    assert (starts[1:] >= starts[:-1]).all() and (ends[1:] >= ends[:-1]).all()
    # Spans are the same or apart, never half over each other.
    same = (starts[1:] == starts[:-1]) & (ends[1:] == ends[:-1])
    assert (same | (starts[1:] >= ends[:-1])).all()


@given(TEXTS)
def test_unchanged_characters_map_to_themselves(text):
    result = clean(text, CleanOptions(mojibake=False, references=False, width="keep"))
    for place, character in enumerate(result.text):
        start, end = result.alignment.original_span(place, place + 1)
        if character not in " \n\ufffd":
            assert end == start + 1
            assert text[start] == character or unicodedata.normalize("NFKC", text[start]) == character


@given(TEXTS)
def test_what_is_left_out_is_invisible(text):
    result = clean(text, CleanOptions(mojibake=False, references=False))
    covered = {
        place
        for span in zip(result.alignment.starts, result.alignment.ends, strict=True)
        for place in range(*span)
    }
    for place in set(range(len(text))) - covered:
        assert (
            text[place].isspace()
            or unicodedata.category(text[place])[0] in "CM"
            or text[place] in "\u3164\uffa0\u115f\u1160\u2800"
        )


@given(TEXTS)
def test_clean_text_is_clean_and_stays_so(text):
    options = CleanOptions(mojibake=False, references=False)
    once = clean_text(text, options)
    assert once == clean(text, options).text
    assert clean_text(once, options) == once
    once.encode("utf-8")
    assert once == once.strip(" \n")
    assert not any(
        pair in once for pair in ("  ", "\n\n", " \n", "\n ", "\u200b", "\ufeff", "\x00", "\u3000")
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("　　Ｈｅｌｌｏ，世界！", "Hello，世界！"),
        ("一\u200b二\ufeff三\xad四", "一二三四"),
        ("一 \u3000 二\r\n \n三", "一 二\n三"),
        ("👨\u200d👩\u200d👧 1\ufe0f\u20e3 ☎\ufe0f", "👨\u200d👩\u200d👧 1\ufe0f\u20e3 ☎\ufe0f"),
        ("中\ufe0f文\u200d字葛\U000e0100城", "中文字葛城"),
        ("🏴\U000e0067\U000e0062\U000e007f", "🏴\U000e0067\U000e0062\U000e007f"),
        ("a\U000e0067b", "ab"),
        ("⽂化\uf90a", "文化金"),
        ("a\ud800b", "a\ufffdb"),
        ("&lt;p&gt;&nbsp;&#20013;&#x6587;", "<p> 中文"),
        ("&notit; &amp;lt; AT&T; a&b", "&notit; &lt; AT&T; a&b"),
        ("", ""),
        ("\u3000\n", ""),
    ],
)
def test_examples(text, expected):
    assert clean(text).text == expected


def test_width_options():
    text = "Ａ！（ｂ），～￥"
    assert clean_text(text, CleanOptions(width="all")) == "A!(b),~￥"
    assert clean_text(text, CleanOptions(width="keep")) == text
    assert clean_text(text) == "A！（b），～￥"


@given(
    st.text(st.sampled_from("中国文字，。《龘😀𠮷"), min_size=2, max_size=10),
    st.sampled_from(["latin-1", "cp1252"]),
)
def test_mojibake_of_hanzi_is_undone(text, wrong):
    shown = "".join(bytes([byte]).decode(wrong, "ignore") or chr(byte) for byte in text.encode())
    result = clean(f"前{shown}后")
    assert result.text == f"前{text}后"
    for place, character in enumerate(text, 1):
        start, end = result.alignment.original_span(place, place + 1)
        assert end - start == len(character.encode())


@pytest.mark.parametrize("text", ["“café”……", "naïve façade", "Ã©", "à la carte"])
def test_honest_latin_is_not_repaired(text):
    assert clean_text(text) == text


def test_steps_can_be_left_out():
    text = "&amp; ä¸\xadæ\x96\x87"
    assert clean_text(text, CleanOptions(references=False)) == "&amp; 中文"
    assert clean_text("ä¸\u00bdä¸\u00bd", CleanOptions(mojibake=False)) == "ä¸½ä¸½"


def test_the_run_of_white_space_is_the_origin_of_its_space():
    result = clean("一 \t\u200b 二")
    assert result.text == "一 二"
    assert result.alignment.original_span(1, 2) == (1, 5)
