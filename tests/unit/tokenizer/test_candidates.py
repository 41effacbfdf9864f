"""What a corpus would like to have in a vocabulary."""

from __future__ import annotations

import pytest
from tiny_tokenizers import PIECES

from erya.text.words import Segmenter
from erya.tokenizer import candidates as candidates_module
from erya.tokenizer.candidates import Candidates
from erya.tokenizer.spec import SPECIAL_TOKENS, AddedToken, Rules, TokenizerSpec
from erya.tokenizer.wordpiece import Tokenizer

TEXTS = [
    "北京人民在北京。中国人民鑫鑫鑫\ue000\ue000\x01",
    "鑫鑫 北京\n北京2024年，É😀😀 中国人民",
    "人民 中华人民共和国",
]


@pytest.fixture
def tokenizer() -> Tokenizer:
    pieces = tuple(PIECES)
    added = tuple(AddedToken(name, pieces.index(name)) for name in SPECIAL_TOKENS)
    return Tokenizer(TokenizerSpec("native", Rules(strip_accents=False, clean=False), pieces, added))


def test_unknown_characters_by_count(tokenizer: Tokenizer) -> None:
    found = Candidates(tokenizer)
    for text in TEXTS:
        found.add(text)
    characters = found.characters(10, min_frequency=1)
    # No control character, no private use; É as it is looked up; what is known is not asked for.
    assert [(char.text, char.count) for char in characters[:2]] == [("鑫", 5), ("😀", 2)]
    assert {char.text for char in characters} == set("鑫😀é在年共和华04")
    assert [char.text for char in found.characters(1, min_frequency=1)] == ["鑫"]
    assert [char.text for char in found.characters(10, min_frequency=3)] == ["鑫"]
    assert found.words(10, min_frequency=1) == []


def test_frequent_words_by_what_they_save(tokenizer: Tokenizer) -> None:
    found = Candidates(tokenizer, Segmenter())
    for text in TEXTS:
        found.add(text)
    words = {word.text: (word.count, word.saved) for word in found.words(20, min_frequency=1)}
    assert words["北京"] == (4, 4)
    assert words["中华人民共和国"] == (1, 6)
    assert all(len(word) >= 2 and min(word) >= "\u4e00" and max(word) <= "\u9fff" for word in words)
    saved = [word.saved for word in found.words(20, min_frequency=1)]
    assert saved == sorted(saved, reverse=True)
    assert [word.text for word in found.words(1, min_frequency=1)] == ["中华人民共和国"]


def test_chunks_and_pruning(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates_module, "_CHUNK", 5)
    found = Candidates(tokenizer, Segmenter())
    for text in TEXTS:
        found.add(text)
    assert {word.text: word.count for word in found.words(20, min_frequency=1)}["北京"] == 4
    monkeypatch.setattr(candidates_module, "_MAX_WORDS", 1)
    pruned = Candidates(tokenizer, Segmenter())
    for text in ["北京北京 中国"] * 3:
        pruned.add(text)
    assert [word.text for word in pruned.words(20, min_frequency=1)] == ["北京"]
