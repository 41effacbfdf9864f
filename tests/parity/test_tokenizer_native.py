"""`native` mode: nothing vanishes, and the `tokenizer.json` we write says the same to other libraries."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizer_cases import GOOGLE, SPECIAL, VOCABULARY, lines_of, needs_data, task_lines, texts
from transformers import AutoTokenizer

from erya.tokenizer.huggingface import build
from erya.tokenizer.spec import AddedToken, Mode, Rules, TokenizerSpec
from erya.tokenizer.vocabulary import run_alphabet
from erya.tokenizer.wordpiece import Tokenizer

# The blocks of GB 18030-2022: the URO, compatibility Hanzi, extensions A to I, radicals and strokes.
HANZI_BLOCKS = [
    (0x2E80, 0x2FDF),
    (0x3007, 0x3007),
    (0x31C0, 0x31EF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x323AF),
]
WHITE_SPACE = "\t\n\x0b\x0c\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B)))
WHITE_SPACE += "\u2028\u2029\u202f\u205f\u3000"
EMOJI = [0x1F300, 0x1F64F, 0x1F680, 0x1F9D1, 0x1FAE0, 0x2600, 0x2764, 0x1F1E8, 0x1F3FD, 0xA9, 0x231A]


def tokenizer(*, lowercase: bool, mode: Mode = "native") -> Tokenizer:
    added = tuple(AddedToken(piece, id) for id, piece in enumerate(VOCABULARY[:5]))
    native = mode == "native"
    rules = Rules(lowercase=lowercase, strip_accents=lowercase and not native, clean=not native)
    return Tokenizer(TokenizerSpec(mode, rules, VOCABULARY, added))


@cache
def both(lowercase: bool) -> tuple[Tokenizer, tokenizers.Tokenizer]:
    ours = tokenizer(lowercase=lowercase)
    return ours, build(ours.spec, run_alphabet(ours.spec))


@settings(max_examples=500, deadline=None)
@given(lowercase=st.booleans(), text=texts)
def test_every_character_but_spaces_is_covered_once(lowercase: bool, text: str) -> None:
    ours, _ = both(lowercase)
    covered = [0] * len(text)
    for start, end in ours.pieces(text).spans.tolist():
        for place in range(start, end):
            covered[place] += 1
    for char, times in zip(text, covered, strict=True):
        assert times == 1 or (times == 0 and char.isspace())


@settings(max_examples=500, deadline=None)
@given(lowercase=st.booleans(), text=texts)
def test_the_library_gives_the_same_ids_spans_and_words(lowercase: bool, text: str) -> None:
    ours, theirs = both(lowercase)
    encoding, expected = ours.encode(text), theirs.encode(text)
    assert encoding.ids.tolist() == expected.ids
    assert [tuple(span) for span in encoding.spans.tolist()] == expected.offsets
    assert encoding.word_ids.tolist() == [-1 if word is None else word for word in expected.word_ids]


@pytest.mark.parametrize("lowercase", [True, False])
def test_hanzi_and_emoji_stand_alone(lowercase: bool) -> None:
    ours, _ = both(lowercase)
    text = "".join(chr(code) for first, last in HANZI_BLOCKS for code in range(first, last + 1))
    text += "".join(map(chr, EMOJI))
    pieces = ours.pieces(text)
    assert pieces.spans.tolist() == [[place, place + 1] for place in range(len(text))]
    assert pieces.word_ids.tolist() == list(range(len(text)))


@pytest.mark.parametrize("lowercase", [True, False])
def test_every_code_point_gives_the_librarys_ids(lowercase: bool) -> None:
    ours, theirs = both(lowercase)
    codes = [*range(0x3400), *range(0x3400, 0x110000, 97)]
    batch = [f"a{chr(code)}b" for code in codes if not 0xD800 <= code < 0xE000]
    expected = theirs.encode_batch(batch)
    for text, ids, encoding in zip(batch, expected, ours.encode_batch(batch), strict=True):
        assert encoding.ids.tolist() == ids.ids, ascii(text)


def test_an_unknown_letter_leaves_its_neighbours_alone() -> None:
    ours, _ = both(True)
    pieces = ours.pieces("hellođ2024")
    assert [ours.vocab[id] for id in pieces.ids] == ["hello", "[UNK]", "20", "##24"]
    assert pieces.spans.tolist() == [[0, 5], [5, 6], [6, 8], [8, 10]]


def test_a_long_run_is_cut_not_lost() -> None:
    ours, theirs = both(True)
    text = "x" * 100_000
    pieces = ours.pieces(text)
    assert ours.unk_id not in pieces.ids
    assert pieces.spans[:, 0].tolist() == list(range(len(text)))
    assert theirs.encode(text, add_special_tokens=False).ids == pieces.ids.tolist()


def test_lone_surrogates_are_covered() -> None:
    ours, _ = both(True)
    assert ours.pieces("中\ud800国").spans.tolist() == [[0, 1], [1, 2], [2, 3]]


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("mode", ["native", "reference"])
@pytest.mark.parametrize("in_model", [True, False])
def test_transformers_opens_what_we_save(tmp_path: Path, lowercase: bool, mode: Mode, in_model: bool) -> None:
    ours = tokenizer(lowercase=lowercase, mode=mode)
    ours.save(tmp_path)
    if in_model:
        (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    library = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert len(theirs) == ours.vocab_size
    assert [theirs.convert_tokens_to_ids(name) for name in SPECIAL] == [0, 1, 2, 3, 4]
    assert theirs.mask_token_id == ours.mask_id

    @settings(max_examples=100, deadline=None)
    @given(first=texts, second=texts)
    def same(first: str, second: str) -> None:
        # transformers takes an empty second text for none at all.
        for pair in (None, second or None):
            encoding, expected = ours.encode(first, pair), theirs(first, pair)
            assert encoding.ids.tolist() == expected["input_ids"]
            assert encoding.type_ids.tolist() == expected["token_type_ids"]
            assert encoding.ids.tolist() == library.encode(first, pair).ids

    same()


def test_what_transformers_extends_opens_and_gives_its_ids(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    tokenizer(lowercase=True, mode="reference").save(tmp_path / "first")
    theirs = AutoTokenizer.from_pretrained(tmp_path / "first")
    theirs.add_tokens(["新冠肺炎", "ChatGPT"])
    theirs.save_pretrained(tmp_path / "second")
    ours = Tokenizer.open(tmp_path / "second")
    (tmp_path / "third").mkdir()
    ours.save(tmp_path / "third")
    third = AutoTokenizer.from_pretrained(tmp_path / "third")
    for text in ["新冠肺炎很ChatGPT 好", "我用chatgpts[MASK]", "新冠 肺炎"]:
        encoding, expected = ours.encode(text), theirs(text, return_offsets_mapping=True)
        assert encoding.ids.tolist() == expected["input_ids"] == third(text)["input_ids"]
        assert [tuple(span) for span in encoding.spans.tolist()] == expected["offset_mapping"]


def check_coverage(limit: int | None) -> None:
    """Spans ascend without overlap and take up every character but white space."""
    pieces = tuple(lines_of(GOOGLE))
    added = tuple(AddedToken(name, pieces.index(name)) for name in SPECIAL)
    ours = Tokenizer(TokenizerSpec("native", Rules(strip_accents=False, clean=False), pieces, added))
    for batch in task_lines(limit):
        flat = ours.flat_pieces(batch)
        for place, line in enumerate(batch):
            spans = flat[place].spans
            assert (spans[1:, 0] >= spans[:-1, 1]).all(), line
            visible = len(line) - sum(line.count(space) for space in WHITE_SPACE)
            assert (spans[:, 1] - spans[:, 0]).sum() == visible, line


@needs_data
def test_first_lines_of_the_task_sets_are_covered() -> None:
    check_coverage(50)


@needs_data
@pytest.mark.slow
def test_every_line_of_the_task_sets_is_covered() -> None:
    check_coverage(None)
