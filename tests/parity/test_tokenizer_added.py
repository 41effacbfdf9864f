"""Added tokens are found where the library finds them: leftmost, longest, of every kind, however many."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizer_cases import AWKWARD, SPECIAL, VOCABULARY, texts

from erya.tokenizer.characters import bert_normalizer
from erya.tokenizer.huggingface import build, native_normalizer
from erya.tokenizer.spec import AddedToken, Mode, Rules, TokenizerSpec
from erya.tokenizer.vocabulary import run_alphabet
from erya.tokenizer.wordpiece import Tokenizer

RULES = {
    "reference": [
        Rules(),
        Rules(lowercase=False, strip_accents=False),
        Rules(strip_accents=False, clean=False),
    ],
    "native": [
        Rules(strip_accents=False, clean=False),
        Rules(lowercase=False, strip_accents=False, clean=False),
    ],
}
WORDS = [
    *("中国", "中国人", "国人民", "人民", "新冠肺炎", "冠", "冠肺", "的一", "一是", "一是豈", "的", "豈更"),
    *(
        "T恤",
        "卡拉OK",
        "ChatGPT",
        "gpt",
        "3D打印",
        "a1",
        "##ing",
        "ing",
        "Ａ股",
        "１２３",
        "C++",
        "é",
        "café",
    ),
    *(
        "New York",
        "中 国",
        "国 ",
        " 国",
        "  ",
        "\u200b中",
        "中\u200b国",
        "e\u0301",
        "a\u0323\u0307",
        "\u0307",
    ),
    *(
        "❤️",
        "👍🏽",
        "👨‍👩‍👧",
        "한",
        "ᄒ",
        "한글",
        "İ",
        "i",
        "ß",
        "[x]",
        "<b>",
        "，",
        "。”",
        "\ue000",
        "𠀀𠀁",
        "ﬁ",
    ),
]

added = st.builds(
    AddedToken,
    content=st.sampled_from(WORDS) | st.sampled_from(AWKWARD).filter(lambda text: text not in SPECIAL),
    id=st.just(0),
    special=st.booleans(),
    normalized=st.booleans(),
    single_word=st.sampled_from([False, False, True]),
    lstrip=st.sampled_from([False, False, True]),
    rstrip=st.sampled_from([False, False, True]),
)
plain = st.builds(
    AddedToken,
    content=st.sampled_from(WORDS),
    id=st.just(0),
    special=st.just(False),
    normalized=st.just(True),
)
mentioning = st.lists(
    st.sampled_from(WORDS) | texts | st.sampled_from([" ", "x", "中", "[MASK]"]), max_size=9
)


def extended(mode: Mode, rules: Rules, tokens: list[AddedToken]) -> TokenizerSpec:
    """A tokenizer with these tokens; those that are pieces keep their ids.

    Left out are tokens of which normalising leaves nothing but white space (the library panics at some) and
    tokens that become what one before became (which of them it finds hangs on a hash).
    """
    normalizer = native_normalizer(lowercase=rules.lowercase) if mode == "native" else bert_normalizer(rules)
    wanted: dict[str, AddedToken] = {}
    for token in tokens:
        written = normalizer.normalize_str(token.content) if token.normalized else token.content
        if written.strip():
            wanted.setdefault(written, token)
    ids = {piece: id for id, piece in enumerate(VOCABULARY)}
    made = {
        token.content: replace(token, id=ids.setdefault(token.content, len(ids))) for token in wanted.values()
    }
    fixed = [AddedToken(name, id) for id, name in enumerate(SPECIAL)]
    added = fixed + sorted(made.values(), key=lambda token: token.id)
    return TokenizerSpec(mode, rules, VOCABULARY, tuple(added))


def check(spec: TokenizerSpec, batch: list[str]) -> None:
    ours, theirs = Tokenizer(spec), build(spec, run_alphabet(spec))
    for text, encoding in zip(batch, ours.encode_batch(batch), strict=True):
        expected = theirs.encode(text)
        assert encoding.ids.tolist() == expected.ids, (spec.mode, spec.rules, spec.added[5:], text)
        words = [-1 if word is None else word for word in expected.word_ids]
        assert encoding.word_ids.tolist() == words, (spec.mode, spec.rules, spec.added[5:], text)


@settings(max_examples=400, deadline=None)
@given(
    mode=st.sampled_from(["native", "reference"]),
    rules=st.integers(0, 2),
    tokens=st.lists(plain, max_size=12),
    batch=st.lists(mentioning.map("".join), max_size=3),
)
@example("reference", 0, [AddedToken("中国", 0, False, True)], ["x中\u200b国x", "中 国", "中\u0301国"])
def test_words_equal_the_library(mode: Mode, rules: int, tokens: list[AddedToken], batch: list[str]) -> None:
    check(extended(mode, RULES[mode][rules % len(RULES[mode])], tokens), batch)


@settings(max_examples=400, deadline=None)
@given(
    mode=st.sampled_from(["native", "reference"]),
    rules=st.integers(0, 2),
    tokens=st.lists(added, max_size=8),
    batch=st.lists(mentioning.map("".join), max_size=3),
)
def test_tokens_of_every_kind_equal_the_library(
    mode: Mode, rules: int, tokens: list[AddedToken], batch: list[str]
) -> None:
    check(extended(mode, RULES[mode][rules % len(RULES[mode])], tokens), batch)


@pytest.mark.parametrize("mode", ["native", "reference"])
def test_thousands_of_overlapping_words_equal_the_library(mode: Mode) -> None:
    random = Random(7)
    hanzi = "中国的一是了我不人在他有这新冠肺炎"
    words = {"".join(random.choices(hanzi, k=random.choice([1, 2, 2, 3, 4, 6]))) for _ in range(3000)}
    tokens = [AddedToken(word, 0, special=False, normalized=True) for word in sorted(words)]
    batch = ["".join(random.choices(hanzi + "a1，\u200b ", k=random.randrange(300))) for _ in range(60)]
    check(extended(mode, RULES[mode][0], tokens), batch)


def test_a_word_behind_an_added_token_begins_anew() -> None:
    spec = extended("native", RULES["native"][0], [AddedToken("国人", 0, special=False, normalized=True)])
    ours = Tokenizer(spec)
    pieces = ours.pieces("hello国人ing")
    assert [ours.vocab[id] for id in pieces.ids] == ["hello", "国人", "in", "##g"]
    assert pieces.spans.tolist() == [[0, 5], [5, 7], [7, 9], [9, 10]]
    assert pieces.word_ids.tolist() == [0, 1, 2, 2]


def test_running_text_has_words_but_no_markup() -> None:
    tokens = [AddedToken("国人", 0, special=False, normalized=True), AddedToken("<b>", 0)]
    ours = Tokenizer(extended("reference", Rules(), tokens))
    flat = ours.flat_pieces(["国人<b>[MASK]"], literals=False)
    assert len(VOCABULARY) in flat.ids and len(VOCABULARY) + 1 not in flat.ids
    assert ours.mask_id not in flat.ids


@pytest.mark.parametrize("mode", ["native", "reference"])
def test_an_extended_tokenizer_is_saved_and_opened(tmp_path: Path, mode: Mode) -> None:
    tokens = [AddedToken(word, 0, special=False, normalized=True) for word in WORDS[:12]]
    ours = Tokenizer(extended(mode, RULES[mode][0], tokens))
    ours.save(tmp_path)
    again = Tokenizer.open(tmp_path)
    assert again.hash == ours.hash
    text = "".join(WORDS)
    assert np.array_equal(again.encode(text).ids, ours.encode(text).ids)
