"""`reference` mode gives the ids of Hugging Face's BERT tokenizer for every string."""

from __future__ import annotations

import itertools
from functools import cache
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizer_cases import AWKWARD, GOOGLE, VOCABULARY, lines_of, needs_data, task_lines, texts

from erya.tokenizer.spec import AddedToken, Rules, TokenizerSpec
from erya.tokenizer.wordpiece import Tokenizer

FLAGS = list(itertools.product([True, False], [True, False, None], [True, False], [True, False]))


@cache
def both(
    lowercase: bool, strip: bool | None, hanzi: bool, clean: bool
) -> tuple[Tokenizer, tokenizers.Tokenizer]:
    """Our tokenizer and the library's with the same flags."""
    theirs = tokenizers.BertWordPieceTokenizer(
        {piece: id for id, piece in enumerate(VOCABULARY)},
        clean_text=clean,
        handle_chinese_chars=hanzi,
        strip_accents=strip,
        lowercase=lowercase,
    )
    rules = Rules(
        lowercase=lowercase,
        strip_accents=lowercase if strip is None else strip,
        split_hanzi=hanzi,
        clean=clean,
    )
    added = tuple(AddedToken(piece, id) for id, piece in enumerate(VOCABULARY[:5]))
    return Tokenizer(TokenizerSpec("reference", rules, VOCABULARY, added)), theirs


@settings(max_examples=500, deadline=None)
@given(flags=st.sampled_from(FLAGS), batch=st.lists(texts, max_size=4))
def test_ids_and_words_equal_the_reference(
    flags: tuple[bool, bool | None, bool, bool], batch: list[str]
) -> None:
    ours, theirs = both(*flags)
    for text, encoding in zip(batch, ours.encode_batch(batch), strict=True):
        expected = theirs.encode(text)
        assert encoding.ids.tolist() == expected.ids
        assert encoding.word_ids.tolist() == [-1 if word is None else word for word in expected.word_ids]


@settings(max_examples=300, deadline=None)
@given(first=texts, second=texts, max_length=st.integers(3, 24))
def test_pairs_are_laid_out_and_cut_like_the_reference(first: str, second: str, max_length: int) -> None:
    ours, theirs = both(True, None, True, True)
    full = theirs.encode(first, second)
    theirs.enable_truncation(max_length, strategy="longest_first")
    try:
        expected = theirs.encode(first, second)
    finally:
        theirs.no_truncation()
    encoding = ours.encode(first, second, max_length=max_length)
    assert encoding.ids.tolist() == expected.ids
    assert encoding.type_ids.tolist() == expected.type_ids
    assert encoding.text_ids.tolist() == [-1 if n is None else n for n in expected.sequence_ids]
    assert encoding.truncated == len(full.ids) - len(expected.ids)


@given(pair=st.tuples(st.sampled_from(AWKWARD), st.sampled_from(AWKWARD)))
@settings(max_examples=300, deadline=None)
def test_spans_equal_the_reference_where_no_mark_moves(pair: tuple[str, str]) -> None:
    ours, theirs = both(True, None, True, True)
    text = "字".join(pair)
    expected = theirs.encode(text)
    assert [tuple(span) for span in ours.encode(text).spans.tolist()] == expected.offsets


@pytest.mark.parametrize("lowercase", [True, False])
def test_every_code_point_alone_and_in_a_word(lowercase: bool) -> None:
    """Pages that most Chinese text touches, whole; the rest by sample."""
    ours, theirs = both(lowercase, None, True, True)
    codes = [*range(0x3400), *range(0x3400, 0x110000, 61)]
    batch = [f"a{chr(code)}b{chr(code)}" for code in codes if not 0xD800 <= code < 0xE000]
    expected = theirs.encode_batch(batch)
    for text, ids, encoding in zip(batch, expected, ours.encode_batch(batch), strict=True):
        assert encoding.ids.tolist() == ids.ids, ascii(text)


def test_added_tokens_of_every_kind_equal_the_reference(tmp_path: Path) -> None:
    theirs = tokenizers.BertWordPieceTokenizer({piece: id for id, piece in enumerate(VOCABULARY)})
    token = tokenizers.AddedToken
    theirs.add_tokens([token("北京大学"), token("Covid", single_word=True), token("éa", normalized=True)])
    theirs.add_tokens(
        [token("<a>", lstrip=True, normalized=False), token("<b>", rstrip=True, normalized=False)]
    )
    theirs.add_special_tokens([token("<cls2>", lstrip=True, rstrip=True)])
    theirs.save(str(tmp_path / "tokenizer.json"))
    ours = Tokenizer.open(tmp_path)
    assert ours.vocab_size == theirs.get_vocab_size()
    parts = [
        "我在北京大学 ",
        "covid",
        "covidx",
        " COVID ",
        "EÁ",
        "xéay",
        "  <a>  <b>  ",
        "<cls2>",
        " <cls2> [MASK]",
    ]
    for left, right in itertools.product(parts, parts):
        text = left + right
        assert ours.encode(text).ids.tolist() == theirs.encode(text).ids, text


@pytest.mark.parametrize(("tokens", "kept"), [("a" * 100, True), ("a" * 101, False)])
def test_words_are_unknown_beyond_the_longest_length(tokens: str, kept: bool) -> None:
    ours, theirs = both(True, None, True, True)
    assert ours.encode(tokens).ids.tolist() == theirs.encode(tokens).ids
    assert (ours.unk_id not in ours.encode(tokens).ids) == kept


def compare_lines(limit: int | None) -> int:
    """Compare the first `limit` lines of every task file, or all of them; gives how many that were."""
    theirs = tokenizers.BertWordPieceTokenizer(str(GOOGLE))
    added = tuple(AddedToken(name, theirs.token_to_id(name)) for name in VOCABULARY[:5])
    pieces = tuple(lines_of(GOOGLE))
    ours = Tokenizer(TokenizerSpec("reference", Rules(), pieces, added))
    compared = 0
    for batch in task_lines(limit):
        for line, encoding, expected in zip(
            batch, ours.encode_batch(batch), theirs.encode_batch(batch), strict=True
        ):
            assert encoding.ids.tolist() == expected.ids, line
        compared += len(batch)
    return compared


@needs_data
def test_first_lines_of_the_task_sets_equal_the_reference() -> None:
    assert compare_lines(50) > 1000


@needs_data
@pytest.mark.slow
def test_every_line_of_the_task_sets_equals_the_reference() -> None:
    assert compare_lines(None) > 500_000
