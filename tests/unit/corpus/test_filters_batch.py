"""Counts over a batch are those of each text alone, and repetition is what a slow count says."""

import json
import lzma
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from erya.corpus.filters.apply import Filters
from erya.corpus.filters.batch import TextBatch
from erya.corpus.filters.classes import NUM_KINDS, Kind, kinds
from erya.corpus.filters.options import FilterOptions
from erya.corpus.filters.repetition import long_runs, one_character, repeated_grams, repeated_lines
from erya.text.script_of import NOT_HANZI, hanzi_scripts

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=6)
# Few letters, so that much repeats.
REPETITIVE = st.lists(st.text(st.sampled_from("中文\n 。a"), max_size=300), min_size=1, max_size=4)


@given(TEXTS)
def test_counts(texts):
    batch = TextBatch(texts)
    assert batch.counts.shape == (len(texts), NUM_KINDS)
    table = kinds()
    for row, text in zip(batch.counts, texts, strict=True):
        expected = Counter(int(table[ord(character)]) for character in text)
        assert {kind: count for kind, count in enumerate(row.tolist()) if count} == dict(expected)


@pytest.mark.parametrize(
    ("characters", "kind"),
    [
        ("鱻𠮷〇㐀⺀", Kind.HANZI),
        ("的國曰", Kind.COMMON),
        ("aZ", Kind.LETTER),
        ("09９", Kind.DIGIT),
        ("あアｱー", Kind.KANA),
        ("éÖ", Kind.ACCENTED),
        ("。！.?；，…", Kind.STOP),
        ("、|/->·", Kind.LIST_MARK),
        ("“”★￥😀(×÷§", Kind.PUNCTUATION),
        (" \n\u3000", Kind.SPACE),
        ("\ufffd", Kind.REPLACEMENT),
        ("я한\ue000", Kind.OTHER),
    ],
)
def test_kinds(characters, kind):
    assert {Kind(int(kinds()[ord(character)])) for character in characters} == {kind}


def test_all_hanzi_are_counted_as_such():
    is_hanzi = np.isin(kinds(), (Kind.HANZI, Kind.COMMON))
    assert is_hanzi[hanzi_scripts() != NOT_HANZI].all()


def visible(text):
    return [character for character in text if kinds()[ord(character)] != Kind.SPACE]


def letters(text):
    return [character for character in text if character not in " \n。"]


def runs(text, length):
    count = start = 0
    for place in range(1, len(text) + 1):
        if place == len(text) or text[place] != text[start]:
            if place - start >= length and text[start] not in " \n。":
                count += place - start
            start = place
    return count


def repeated_characters_of_lines(text):
    return sum((count - 1) * len(line) for line, count in Counter(text.split("\n")).items())


def repeated_share_of_grams(text, length, most):
    grams = [text[place : place + length] for place in range(len(text) - length + 1)]
    repeated = sum(count for count in Counter(grams).values() if count > most)
    return len(grams) >= 100, repeated, len(grams)


@given(REPETITIVE, st.integers(2, 5), st.sampled_from([0.1, 0.3, 0.5]))
def test_repetition_is_counted_exactly(texts, length, share):
    options = FilterOptions(
        run_length=length,
        max_run_share=share,
        max_character_share=share,
        max_repeated_line_share=share,
        gram_length=length,
        max_gram_repeats=length,
        max_repeated_gram_share=share,
    )
    batch = TextBatch(texts)
    results = [f(batch, options) for f in (long_runs, one_character, repeated_lines, repeated_grams)]
    for text, *found in zip(texts, *(result.tolist() for result in results), strict=True):
        seen = len(visible(text))
        most = max(Counter(letters(text)).values(), default=0)
        is_long, repeated, num_grams = repeated_share_of_grams(text, length, length)
        assert found == [
            runs(text, length) > share * seen,
            seen >= 20 and most > share * seen,
            repeated_characters_of_lines(text) > share * len(text),
            is_long and repeated > share * num_grams,
        ]


def test_grams_of_other_documents_do_not_count():
    text = "".join(chr(0x4E00 + number) for number in range(150))
    batch = TextBatch([text] * 20)
    assert not repeated_grams(batch, FilterOptions(max_repeated_gram_share=0)).any()
    assert repeated_grams(TextBatch([text * 20]), FilterOptions(max_repeated_gram_share=0.99)).all()


def test_real_text_mostly_stays(real_data):
    for path in sorted((real_data / "text").glob("*.jsonl.xz")):
        with lzma.open(path, "rt", encoding="utf-8") as stream:
            texts = [json.loads(line)["text"] for line, _ in zip(stream, range(300), strict=False)]
        reasons = Filters(FilterOptions())(texts).reasons
        assert np.mean([reason is not None for reason in reasons]) <= 0.02, path.name
