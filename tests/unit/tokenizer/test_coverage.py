"""Counting what a vocabulary does not know, by kind of character and script of document."""

from __future__ import annotations

import pytest

from erya.tokenizer import coverage as coverage_module
from erya.tokenizer.coverage import Coverage, coverage_rows, measure_coverage
from erya.tokenizer.spec import SPECIAL_TOKENS, AddedToken, Rules, TokenizerSpec
from erya.tokenizer.wordpiece import Tokenizer

PIECES = (*SPECIAL_TOKENS, *"我们在北京。，12ab", *("##" + char for char in "ab"), "##bb")
TEXTS = ["我们在北京，abb a 1 国", "國人\n\n在😀", "", "ab 12 。\x00", "我們在國 国国国国国国"]


@pytest.fixture
def tokenizer() -> Tokenizer:
    added = tuple(AddedToken(name, PIECES.index(name)) for name in SPECIAL_TOKENS)
    return Tokenizer(TokenizerSpec("native", Rules(strip_accents=False, clean=False), PIECES, added))


def by_hand(tokenizer: Tokenizer, texts: list[str]) -> tuple[int, int, int, str]:
    """Characters, tokens, unknown tokens, and the characters under those, one at a time."""
    characters = sum(not char.isspace() for text in texts for char in text)
    tokens = unknown = 0
    under = ""
    for text in texts:
        pieces = tokenizer.flat_pieces([text], literals=False)
        tokens += len(pieces.ids)
        for id, (start, end) in zip(pieces.ids, pieces.spans, strict=True):
            if id == tokenizer.unk_id:
                unknown += 1
                under += text[start:end]
    return characters, tokens, unknown, "".join(sorted(under))


def test_the_totals_are_those_of_counting_one_by_one(tokenizer: Tokenizer) -> None:
    coverage = measure_coverage(tokenizer, TEXTS)
    found = coverage.characters, coverage.tokens, coverage.unknown
    assert (*found, "".join(sorted(coverage.unknown_characters.elements()))) == by_hand(tokenizer, TEXTS)
    assert coverage.documents == 5


def test_kinds_are_counted_apart(tokenizer: Tokenizer) -> None:
    kinds = measure_coverage(tokenizer, TEXTS).by_kind
    latin = kinds["Latin letters"]
    assert (latin.characters, latin.tokens, latin.unknown) == (6, 5, 0)
    assert latin.tokens_per_character == pytest.approx(5 / 6)
    simplified = kinds["simplified Hanzi"]
    # 们 is known, 国 is not.
    assert (simplified.characters, simplified.unknown_characters, simplified.tokens) == (8, 7, 8)
    assert simplified.unknown_share == pytest.approx(7 / 8)
    assert kinds["traditional Hanzi"].unknown_characters == 3
    assert kinds["symbols and emoji"].unknown_characters == 1
    assert (kinds["digits"].characters, kinds["digits"].unknown) == (3, 0)
    assert kinds["other"].characters == 1  # the NUL


def test_documents_are_counted_by_their_script(tokenizer: Tokenizer) -> None:
    scripts = measure_coverage(tokenizer, TEXTS).by_script
    assert {script: tally.documents for script, tally in scripts.items()} == {
        "simplified": 1,
        "traditional": 1,
        "mixed": 1,
        "neutral": 0,
        "none": 2,
    }
    assert (scripts["mixed"].characters, scripts["mixed"].unknown) == (10, 8)


def test_chunks_change_nothing(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = coverage_rows(measure_coverage(tokenizer, TEXTS))
    monkeypatch.setattr(coverage_module, "_CHUNK", 3)
    assert coverage_rows(measure_coverage(tokenizer, TEXTS)) == whole
    together = Coverage()
    for text in TEXTS:
        together.add(measure_coverage(tokenizer, [text]))
    assert coverage_rows(together) == whole
    assert together.worst(2) == "国國"


def test_the_table_shows_what_was_met(tokenizer: Tokenizer) -> None:
    rows = coverage_rows(measure_coverage(tokenizer, ["我们ab"]))
    assert [row["kind"] for row in rows] == [
        "shared Hanzi",
        "simplified Hanzi",
        "Latin letters",
        "documents: simplified",
        "all",
    ]
    assert rows[2]["share"] == 0.5
    assert rows[-1]["documents"] == 1
    assert coverage_rows(Coverage()) == []


def test_a_word_unknown_as_a_whole_counts_all_its_characters() -> None:
    added = tuple(AddedToken(name, PIECES.index(name)) for name in SPECIAL_TOKENS)
    reference = Tokenizer(TokenizerSpec("reference", Rules(), PIECES, added))
    coverage = measure_coverage(reference, ["abc 我"])
    assert (coverage.unknown, coverage.unknown_characters) == (1, {"a": 1, "b": 1, "c": 1})
    assert coverage.covered_share == 0.25
    assert coverage.unknown_share == 0.5
