"""Both modes on strings of every category that breaks tokenizers, each mixed with Chinese and Latin."""

from __future__ import annotations

import pytest
import test_tokenizer_native as native
import test_tokenizer_reference as reference
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizer_cases import CATEGORIES, DATA, GOOGLE, SPECIAL, documents, in_company, lines_of, needs_data

from erya.tokenizer.huggingface import build
from erya.tokenizer.spec import AddedToken, Mode, Rules, TokenizerSpec
from erya.tokenizer.vocabulary import run_alphabet
from erya.tokenizer.wordpiece import Tokenizer

# A batch is five strings: the slow run sees 11 categories x 400 x 5 = 22,000 strings in each mode.
BATCH, FEW, MANY = 5, 15, 400
TEXTS = (
    "news",
    "law",
    "classics_modern",
    "classics_original",
    "tech",
    "reviews",
    "science",
    "wiki",
    "literature",
)
# About a minute a mode, of which nearly all is the library's.
SAMPLE_BYTES = 8_000_000


def compare(ours: Tokenizer, theirs: tokenizers.Tokenizer, batch: list[str]) -> None:
    for text, encoding in zip(batch, ours.encode_batch(batch), strict=True):
        assert encoding.ids.tolist() == theirs.encode(text).ids, ascii(text)


def covered_once(ours: Tokenizer, batch: list[str]) -> None:
    flat = ours.flat_pieces(batch)
    for text, pieces in zip(batch, flat, strict=True):
        places = [place for start, end in pieces.spans.tolist() for place in range(start, end)]
        assert len(places) == len(set(places)), ascii(text)
        missing = set(range(len(text))).difference(places)
        assert all(text[place] in native.WHITE_SPACE for place in missing), ascii(text)


def check(mode: Mode, category: str, examples: int) -> None:
    @settings(max_examples=examples, deadline=None, database=None)
    @given(
        lowercase=st.booleans(),
        batch=st.lists(in_company(CATEGORIES[category]), min_size=BATCH, max_size=BATCH),
    )
    def holds(lowercase: bool, batch: list[str]) -> None:
        if mode == "native":
            ours, theirs = native.both(lowercase)
            covered_once(ours, batch)
        else:
            ours, theirs = reference.both(lowercase, None, True, True)
        compare(ours, theirs, batch)

    holds()


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("mode", ["reference", "native"])
def test_some_strings_of_each_category(mode: Mode, category: str) -> None:
    check(mode, category, FEW)


@pytest.mark.slow
@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("mode", ["reference", "native"])
def test_thousands_of_strings_of_each_category(mode: Mode, category: str) -> None:
    check(mode, category, MANY)


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize("mode", ["reference", "native"])
@pytest.mark.parametrize("name", TEXTS)
def test_running_text_equals_the_library(mode: Mode, name: str) -> None:
    """Documents from all over each file; the short files nearly whole."""
    if not (DATA / "text" / f"{name}.jsonl.xz").is_file():
        pytest.skip(f"no text/{name}.jsonl.xz in the data folder")
    pieces = tuple(lines_of(GOOGLE))
    added = tuple(AddedToken(piece, pieces.index(piece)) for piece in SPECIAL)
    is_native = mode == "native"
    ours = Tokenizer(
        TokenizerSpec(mode, Rules(strip_accents=not is_native, clean=not is_native), pieces, added)
    )
    theirs = build(ours.spec, run_alphabet(ours.spec))
    compared = 0
    for batch in documents(name, SAMPLE_BYTES):
        if is_native:
            covered_once(ours, batch)
        for text, encoding, expected in zip(
            batch, ours.encode_batch(batch), theirs.encode_batch_fast(batch), strict=True
        ):
            assert encoding.ids.tolist() == expected.ids, text
        compared += len(batch)
    assert compared > 100
