"""Many words at once: the same as one after the other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from erya.corpus.filters.apply import Filters
from erya.corpus.filters.blocked import read_blocked_words
from erya.corpus.filters.options import FilterOptions
from erya.corpus.filters.word_matcher import WordMatcher
from erya.errors import InputError

LETTERS = st.sampled_from(list("中文字𠮷aAb1 \n"))
WORDS = st.lists(st.text(LETTERS, min_size=2, max_size=6), max_size=8)


def codes(text):
    return np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)


def is_latin(character):
    return character.isascii() and character.isalnum()


def places_one_by_one(words, text):
    found = set()
    for word in {word.lower() for word in words}:
        for place in range(len(text)):
            end = place + len(word)
            if text[place:end].lower() != word:
                continue
            before = place > 0 and is_latin(word[0]) and is_latin(text[place - 1])
            after = end < len(text) and is_latin(word[-1]) and is_latin(text[end])
            if not before and not after:
                found.add(place)
    return sorted(found)


@given(WORDS, st.text(LETTERS, max_size=40))
def test_matches_are_those_of_a_plain_search(words, text):
    assert WordMatcher(words).find(codes(text)).tolist() == places_one_by_one(words, text)


def test_many_words():
    words = [
        chr(0x4E00 + number // 50) + chr(0x5E00 + number % 50) + "词" * (number % 4)
        for number in range(10_000)
    ]
    text = "，".join(words[::7])
    assert len(WordMatcher(words).find(codes(text))) == len(words[::7])


def test_latin_words_stand_alone():
    matcher = WordMatcher(["av", "x光"])
    assert matcher.find(codes("java AV av女优 AVI x光 3x光")).tolist() == [5, 8, 17]


def test_occurrences_have_a_threshold():
    texts = [
        "这里有办证的广告，还有发票的广告。",
        "办证，办证，代办各种证件，价格便宜。",
        "今天没有别的广告。",
    ]
    words = ("办证", "发票")
    assert Filters(FilterOptions(blocked_words=words))(texts).reasons == [
        "blocked words",
        "blocked words",
        None,
    ]
    two = FilterOptions(blocked_words=words, blocked_occurrences=3)
    assert Filters(two)([*texts, texts[1] + "发票"]).reasons == [None, None, None, "blocked words"]


def test_read_blocked_words(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("\ufeff# 广告\n办证\n\n 发票 \n办证\nbad word\n", encoding="utf-8")
    assert read_blocked_words(path) == ("办证", "发票", "bad word")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("办证\n中\n".encode(), "line 2"),
        ("办证\n发票\t3\n".encode(), "line 2"),
        ("办证\n".encode() + "发票\n".encode("gbk"), "line 2"),
        (b"# none\n\n", "empty"),
    ],
)
def test_a_broken_list_says_where(tmp_path, data, says):
    path = tmp_path / "words.txt"
    path.write_bytes(data)
    with pytest.raises(InputError, match=says):
        read_blocked_words(path)


def test_a_missing_list(tmp_path):
    with pytest.raises(InputError):
        read_blocked_words(tmp_path / "none.txt")
