"""Training vocabularies and measuring how well they fit."""

from __future__ import annotations

import subprocess
import sys

import pytest

from erya.errors import ConfigError, InputError
from erya.tokenizer import train as train_module
from erya.tokenizer.coverage import measure_coverage
from erya.tokenizer.spec import SPECIAL_TOKENS
from erya.tokenizer.train import TextCounts, train_vocabulary
from erya.tokenizer.wordpiece import Tokenizer

TEXTS = [
    "北京大学的学生在图书馆看书，Hello World 2024年。",
    "hello，学生们！今天是2024年的第一天。Überall Café café",
    "𠮷野家在北京。😀😀 hello worldwide world\ufffd\ufffd\x00\x00",
] * 3
SIZE = 400


def test_the_fixed_tokens_come_first_and_all_of_them() -> None:
    vocabulary = train_vocabulary(TEXTS, size=SIZE).spec.vocab
    assert vocabulary[:7] == (*SPECIAL_TOKENS, "[unused1]", "[unused2]")
    assert {*"0123456789abcxyz!~，。、《》“”", "##0", "##z", "[unused100]"} <= set(vocabulary)
    assert len(set(vocabulary)) == len(vocabulary) <= SIZE


def test_frequent_characters_and_pieces_get_a_place() -> None:
    trained = train_vocabulary(TEXTS, size=SIZE, min_frequency=3)
    vocabulary = set(trained.spec.vocab)
    assert {"北", "京", "𠮷", "😀", "é", "##é", "hello"} <= vocabulary
    assert not {"\ufffd", "\x00", " ", "É", "Hello"} & vocabulary
    assert trained.hanzi == sum(
        "一" <= piece <= "龥" or piece in "𠮷〇" for piece in vocabulary if len(piece) == 1
    )
    assert trained.rare == 0
    assert trained.documents == len(TEXTS)
    assert trained.characters == sum(map(len, TEXTS))


def test_rare_ones_do_not() -> None:
    trained = train_vocabulary([*TEXTS, "罕"], size=SIZE, min_frequency=2)
    assert "罕" not in trained.spec.vocab
    assert trained.rare == 1
    assert "罕" in train_vocabulary([*TEXTS, "罕"], size=SIZE, min_frequency=1).spec.vocab


def test_a_small_vocabulary_keeps_the_most_frequent() -> None:
    fixed = len(train_vocabulary(["a"], size=SIZE, min_frequency=9).spec.vocab)
    texts = ["一" * 9 + "二" * 5 + "三" * 7 + "四" * 3]
    vocabulary = train_vocabulary(texts, size=fixed + 2).spec.vocab
    assert vocabulary[fixed:] == ("一", "三")


def test_cased_keeps_case_apart() -> None:
    vocabulary = train_vocabulary(TEXTS, size=SIZE, lowercase=False, min_frequency=3).spec.vocab
    assert {"A", "##A", "Hello", "hello", "World"} <= set(vocabulary)


def test_the_counts_may_be_pruned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_module, "_MAX_RUNS", 2)
    counts = TextCounts()
    counts.add("aa aa aa bb bb cc dd")
    counts.flush()
    assert counts.runs == {"aa": 3, "bb": 2}


def test_another_process_trains_the_same() -> None:
    """Hash seeds differ between processes; the library's trainer walks a hash map."""
    code = (
        "from erya.tokenizer.train import train_vocabulary\n"
        "words = ' '.join(f'w{n:x}ing{n % 7}' for n in range(3000))\n"
        "print(train_vocabulary([words, '中国'], size=900).spec.hash)"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in "ab"
    ]
    assert runs[0].stdout == runs[1].stdout


def test_too_small_and_empty() -> None:
    with pytest.raises(ConfigError, match="a vocabulary of 50 is too small"):
        train_vocabulary(TEXTS, size=50)
    with pytest.raises(InputError, match="no text"):
        train_vocabulary([], size=SIZE)


def test_coverage_counts_what_is_unknown() -> None:
    tokenizer = Tokenizer(train_vocabulary(TEXTS, size=SIZE).spec)
    coverage = measure_coverage(tokenizer, ["北京 罕罕见", "hello [MASK]"])
    assert (coverage.documents, coverage.characters) == (2, 16)
    assert coverage.unknown == 3
    assert coverage.worst(1) == "罕"
    assert coverage.covered_share == pytest.approx(1 - 3 / 16)
    assert coverage.unknown_share == pytest.approx(3 / coverage.tokens)
