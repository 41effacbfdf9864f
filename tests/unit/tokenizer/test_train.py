"""Training vocabularies and measuring how well they fit."""

from __future__ import annotations

import subprocess
import sys

import pytest

from erya.errors import ConfigError, InputError
from erya.tokenizer import counts as counts_module
from erya.tokenizer.counts import TextCounts
from erya.tokenizer.huggingface import build
from erya.tokenizer.spec import SPECIAL_TOKENS
from erya.tokenizer.train import train_vocabulary
from erya.tokenizer.vocabulary import run_alphabet
from erya.tokenizer.wordpiece import Tokenizer

TEXTS = [
    "北京大学的学生在图书馆看书，Hello World 2024年。",
    "hello，学生们！今天是2024年的第一天。Überall Café café",
    "𠮷野家在北京。😀😀 hello worldwide world\ufffd\ufffd\x00\x00",
] * 3
SIZE = 448


def test_the_fixed_tokens_come_first_and_all_of_them() -> None:
    vocabulary = train_vocabulary(TEXTS, size=SIZE).spec.vocab
    assert vocabulary[:7] == (*SPECIAL_TOKENS, "[unused1]", "[unused2]")
    assert {*"0123456789abcxyz!~，。、《》“”", "##0", "##z", "[unused100]"} <= set(vocabulary)
    assert len(set(vocabulary)) == len(vocabulary) <= SIZE


def test_the_size_is_rounded_up_and_filled() -> None:
    trained = train_vocabulary(TEXTS, size=400)
    vocabulary = trained.spec.vocab
    assert len(vocabulary) == 320  # the text has no more; 400 would have become 448
    assert vocabulary[-1] == f"[unused{trained.unused}]"
    assert {f"[unused{number}]" for number in range(1, trained.unused + 1)} <= set(vocabulary)
    assert trained.unused >= 100
    assert len(train_vocabulary(TEXTS, size=300, unused=7).spec.vocab) == 256
    assert train_vocabulary(TEXTS, size=SIZE, multiple=1).unused == 100


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
    fixed = len(train_vocabulary(["a"], size=SIZE, min_frequency=9, multiple=1).spec.vocab)
    texts = ["一" * 9 + "二" * 5 + "三" * 7 + "四" * 3]
    vocabulary = train_vocabulary(texts, size=fixed + 2, multiple=1).spec.vocab
    assert vocabulary[fixed:] == ("一", "三")


def test_cased_keeps_case_apart() -> None:
    vocabulary = train_vocabulary(TEXTS, size=SIZE, lowercase=False, min_frequency=3).spec.vocab
    assert {"A", "##A", "Hello", "hello", "World"} <= set(vocabulary)


def test_the_counts_may_be_pruned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts_module, "_MAX_RUNS", 2)
    counts = TextCounts()
    counts.add("aa aa Aa bb bb cc dd")
    counts.flush()
    assert counts.runs == {"aa": 3, "bb": 2}


def test_characters_are_counted_folded_and_without_what_nobody_sees() -> None:
    counts = TextCounts(lowercase=True)
    counts.add("Éé A\x00\ufffd\ud800 好")
    counts.add("好")
    counts.flush()
    seen = counts.visible()
    assert {chr(code): int(seen[code]) for code in seen.nonzero()[0]} == {"é": 2, "a": 1, "好": 2}
    assert (counts.documents, counts.characters) == (2, 10)
    cased = TextCounts(lowercase=False)
    cased.add("ÉA é")
    cased.flush()
    assert cased.runs == {"ÉA": 1, "é": 1}


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


CHINESE = ["一" * 50 + "二" * 30 + "三" * 15 + "四" * 4 + "五"]


@pytest.mark.parametrize(
    ("coverage", "expected"),
    [(0.5, "一"), (0.51, "一二"), (0.95, "一二三"), (0.951, "一二三四"), (1, "一二三四五")],
)
def test_characters_are_taken_until_they_cover_the_text(coverage: float, expected: str) -> None:
    trained = train_vocabulary(CHINESE, size=None, coverage=coverage, min_frequency=1)
    assert "".join(char for char in "一二三四五" if char in trained.spec.vocab) == expected
    assert trained.coverage == pytest.approx(sum(map(CHINESE[0].count, expected)) / 100)
    assert len(trained.spec.vocab) % 64 == 0


def test_pieces_get_the_places_that_coverage_leaves() -> None:
    words = " ".join(f"word{chr(97 + n)}ing" for n in range(26))
    wide = train_vocabulary([*CHINESE, words, words], size=448, coverage=0.9)
    full = train_vocabulary([*CHINESE, words, words], size=448)
    assert wide.pieces > full.pieces - 3
    assert "四" in full.spec.vocab and "四" not in wide.spec.vocab
    assert len(wide.spec.vocab) <= 448


def test_what_is_too_rare_is_left_out_whatever_coverage_says() -> None:
    trained = train_vocabulary(CHINESE, size=None, coverage=1, min_frequency=2)
    assert "五" not in trained.spec.vocab
    assert trained.coverage == pytest.approx(0.99)


NUMBERS = ["2024年3月，iPhone15有128GB。１２３", "在2024年 covid19 0.5 2024"] * 4


def test_split_digits_stand_alone_in_tokenizers_too() -> None:
    spec = train_vocabulary(NUMBERS, size=512, digits="split").spec
    tokenizer = Tokenizer(spec)
    library = build(spec, run_alphabet(spec))
    tokens = [spec.vocab[id] for id in tokenizer.pieces("a2024 iphone15").ids]
    assert tokens[:5] == ["a", *"2024"]
    assert tokens[-2:] == ["1", "5"]
    assert not [
        piece for piece in spec.vocab if any(map(str.isdigit, piece)) and len(piece) > 1 and piece[0] != "["
    ]
    for text in [*NUMBERS, "x1y2 9", "1a", "３Ｄ 007"]:
        assert tokenizer.encode(text).ids.tolist() == library.encode(text).ids


def test_kept_digits_join() -> None:
    spec = train_vocabulary(NUMBERS, size=512).spec
    assert "2024" in [spec.vocab[id] for id in Tokenizer(spec).pieces("2024年").ids]


def test_contradictions_are_refused() -> None:
    with pytest.raises(ConfigError, match="neither a size nor a coverage"):
        train_vocabulary(TEXTS, size=None)
    with pytest.raises(ConfigError, match="no share of the text"):
        train_vocabulary(TEXTS, coverage=99.95)
    characters = "".join(chr(0x4E00 + n) for n in range(500)) * 2
    with pytest.raises(ConfigError, match="do not hold the characters") as caught:
        train_vocabulary([characters], size=320, coverage=0.99)
    enough = int(str(caught.value.hint).split("size of ")[1].split()[0])
    assert train_vocabulary([characters], size=enough, coverage=0.99).coverage >= 0.99
