"""Tokenizers of other families: ids of `transformers`, and spans that say what each token stands for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_libraries import LIBRARIES, ROLES, write_library
from tokenizer_cases import CATEGORIES, in_company, texts
from transformers import PreTrainedTokenizerFast

from erya.tokenizer.library import LibraryTokenizer
from erya.tokenizer.library_files import LibraryFiles
from erya.tokenizer.opening import open_tokenizer

MARKERS = {"▁", "Ġ"}
_any = st.one_of(texts, *map(in_company, CATEGORIES.values()))
anything = st.one_of(_any, st.builds("{} <mask>{}".format, _any, _any))


@cache
def both(name: str) -> tuple[LibraryTokenizer, PreTrainedTokenizerFast, Callable[[str], str]]:
    """Ours, that of `transformers`, and the normaliser."""
    made = LIBRARIES[name]()
    ours = LibraryTokenizer(LibraryFiles(Path("nowhere"), {"tokenizer.json": made.to_str().encode()}))
    normalise = made.normalizer.normalize_str if made.normalizer is not None else str
    return ours, PreTrainedTokenizerFast(tokenizer_object=made, **ROLES), normalise


@pytest.mark.parametrize("name", LIBRARIES)
@settings(max_examples=300, deadline=None)
@given(first=anything, second=anything, max_length=st.integers(4, 24))
def test_ids_frames_and_cuts_equal_those_of_transformers(
    name: str, first: str, second: str, max_length: int
) -> None:
    ours, theirs, _ = both(name)
    assert ours.encode(first).ids.tolist() == theirs(first)["input_ids"]
    expected = theirs([first], [second], max_length=max_length, truncation="longest_first")
    full = theirs([first], [second])
    encoding = ours.encode(first, second, max_length=max_length)
    assert encoding.ids.tolist() == expected["input_ids"][0]
    assert encoding.type_ids.tolist() == expected.encodings[0].type_ids
    assert encoding.text_ids.tolist() == [-1 if n is None else n for n in expected.sequence_ids(0)]
    assert encoding.word_ids.tolist() == [-1 if n is None else n for n in expected.word_ids(0)]
    assert encoding.truncated == len(full["input_ids"][0]) - len(encoding)


@pytest.mark.parametrize("name", LIBRARIES)
@settings(max_examples=300, deadline=None)
@given(text=anything)
def test_every_token_stands_where_its_text_is(name: str, text: str) -> None:
    ours, _, normalise = both(name)
    pieces = ours.flat_pieces([text])[0]
    covered: set[int] = set()
    last = [0, 0]
    for id, span in zip(pieces.ids.tolist(), pieces.spans.tolist(), strict=True):
        assert last[0] <= span[0] <= span[1] <= len(text) and last[1] <= span[1], "out of order"
        last = span
        source, piece = text[slice(*span)], ours.vocab[id]
        covered.update(range(*span))
        if id == ours.mask_id:
            assert source == "<mask>"
        elif piece in MARKERS:
            assert source in MARKERS or normalise(f"a{source}a") in (normalise("aa"), normalise("a a"))
        else:
            assert source and (source.isspace() or source == source.strip())
            if id != ours.unk_id and "byte" not in name and name != "composing":
                assert piece.strip("▁") in normalise(source)
    gone = normalise("aa"), normalise("a a")
    lost = [char for place, char in enumerate(text) if place not in covered and not char.isspace()]
    assert all(normalise(f"a{char}a") in gone for char in lost), lost


@settings(max_examples=300, deadline=None)
@given(text=anything.filter(lambda text: "<" not in text))
def test_the_bytes_of_a_character_share_its_span(text: str) -> None:
    ours, _, _ = both("byte-level")
    alphabet = {sign: byte for byte, sign in enumerate(_signs())}
    pieces = ours.flat_pieces([text])[0]
    for id, (start, end) in zip(pieces.ids.tolist(), pieces.spans.tolist(), strict=True):
        found = bytes(alphabet[sign] for sign in ours.vocab[id])
        source = text[start:end].encode()
        # White space is trimmed off a span.
        assert found in source or found.strip() in source


def _signs() -> list[str]:
    """How a byte-level vocabulary writes the 256 bytes."""
    kept = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(0x100, 0x200))
    return [chr(byte if byte in kept else next(others)) for byte in range(256)]


def spans_of(name: str, text: str) -> list[tuple[str, str, int]]:
    """(piece, what it stands for, where it begins) of every token."""
    ours, _, _ = both(name)
    pieces = ours.flat_pieces([text])[0]
    found = zip(pieces.ids.tolist(), pieces.spans.tolist(), strict=True)
    return [(ours.vocab[id], text[start:end], start) for id, (start, end) in found]


def test_a_marker_takes_no_character_along() -> None:
    assert spans_of("xlm", "你好 世") == [
        ("▁", "", 0),
        ("你", "你", 0),
        ("好", "好", 1),
        ("▁", "", 3),
        ("世", "世", 3),
    ]
    assert spans_of("deberta", " 你 世") == [("▁", "", 1), ("你", "你", 1), ("▁", " ", 2), ("世", "世", 3)]
    assert spans_of("byte-level", " hello ") == [("Ġhello", "hello", 1), ("Ġ", " ", 6)]
    assert spans_of("byte-level with a prefix", "x") == [("Ġ", "", 0), ("x", "x", 0)]


@pytest.mark.parametrize("name", ["xlm", "deberta"])
def test_what_becomes_several_characters_is_one_place(name: str) -> None:
    found = [(piece.strip("▁"), source) for piece, source, _ in spans_of(name, "１㎏½")]
    assert found == [("1", "１"), ("k", "㎏"), ("g", "㎏"), ("1", "½"), ("⁄", "½"), ("2", "½")]


def test_marks_that_a_character_swallows_belong_to_it() -> None:
    assert [source for _, source, _ in spans_of("composing", "e\u0301h")] == ["e\u0301", "e\u0301", "h"]
    assert spans_of("folding", "e\u0301 h")[1] == ("e", "e\u0301", 0)


def test_what_a_compiled_normaliser_drops_shifts_nothing() -> None:
    """In the library it does: whatever follows is one place off for each, up to the next added token."""
    assert spans_of("compiled", "\x7f\xadhe<mask>\x7fe ㎏\x7f好") == [
        ("▁", "", 2),
        ("he", "he", 2),
        ("<mask>", "<mask>", 4),
        ("▁", "", 11),
        ("e", "e", 11),
        ("▁", " ", 12),
        ("k", "㎏", 13),
        ("g", "㎏", 13),
        ("好", "好", 15),
    ]
    offsets = both("compiled")[1].backend_tokenizer.encode("\x7f\xadhe").offsets
    assert (2, 4) not in offsets, "the library has learnt it: less is to mend"


def test_a_mask_leaves_the_space_before_it() -> None:
    for name in LIBRARIES:
        assert ("<mask>", "<mask>", 4) in spans_of(name, "中国  <mask>。")


def test_transformers_opens_what_was_saved(tmp_path: Path) -> None:
    for number, name in enumerate(LIBRARIES):
        directory = write_library(tmp_path / str(number), LIBRARIES[name]())
        opened = open_tokenizer(directory)
        copy = tmp_path / f"{number} copied"
        copy.mkdir()
        opened.save(copy)
        for path in directory.iterdir():
            assert (copy / path.name).read_bytes() == path.read_bytes()
        theirs = PreTrainedTokenizerFast.from_pretrained(copy)
        again = open_tokenizer(copy)
        assert again.hash == opened.hash and again.vocab_size == len(theirs)
        assert again.encode("我爱 <mask> ㎏").ids.tolist() == theirs("我爱 <mask> ㎏")["input_ids"]
        assert again.mask_id == theirs.mask_token_id and again.sep_id == theirs.sep_token_id


def test_lengths_written_into_the_file_cut_and_fill_nothing(tmp_path: Path) -> None:
    made = LIBRARIES["xlm"]()
    plain = open_tokenizer(write_library(tmp_path / "a", made)).encode("我爱北京天安门")
    made.enable_truncation(5)
    made.enable_padding(length=20)
    found = open_tokenizer(write_library(tmp_path / "b", made)).encode("我爱北京天安门")
    assert found.ids.tolist() == plain.ids.tolist() and len(plain) > 5
    assert isinstance(made, tokenizers.Tokenizer)
