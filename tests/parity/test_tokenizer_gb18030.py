"""Every Hanzi of GB 18030-2022 is a token of its own, or an [UNK] of its own, with its own place.

The blocks are those the standard names, with the last code points they have in Unicode 15.1.
"""

from __future__ import annotations

import itertools
from functools import cache

import pytest
import tokenizers

from erya.tokenizer.characters import is_hanzi
from erya.tokenizer.huggingface import build
from erya.tokenizer.spec import AddedToken, Mode, Rules, TokenizerSpec
from erya.tokenizer.vocabulary import run_alphabet
from erya.tokenizer.wordpiece import Tokenizer

BLOCKS = {
    "radicals, first": (0x2E80, 0x2E99),
    "radicals, second": (0x2E9B, 0x2EF3),
    "Kangxi radicals": (0x2F00, 0x2FD5),
    "zero": (0x3007, 0x3007),
    "extension A": (0x3400, 0x4DBF),
    "unified": (0x4E00, 0x9FFF),
    "compatibility, first": (0xF900, 0xFA6D),
    "compatibility, second": (0xFA70, 0xFAD9),
    "extension B": (0x20000, 0x2A6DF),
    "extension C": (0x2A700, 0x2B739),
    "extension D": (0x2B740, 0x2B81D),
    "extension E": (0x2B820, 0x2CEA1),
    "extension F": (0x2CEB0, 0x2EBE0),
    "extension I": (0x2EBF0, 0x2EE5D),
    "compatibility supplement": (0x2F800, 0x2FA1D),
    "extension G": (0x30000, 0x3134A),
    "extension H": (0x31350, 0x323AF),
    # Not in the standard, but in Unicode 17: what comes next is treated no differently.
    "extension J": (0x323B0, 0x33479),
}
HANZI = {name: [chr(code) for code in range(first, last + 1)] for name, (first, last) in BLOCKS.items()}
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@cache
def both(mode: Mode) -> tuple[Tokenizer, tokenizers.Tokenizer]:
    """A vocabulary with every second Hanzi, ours and the library's."""
    every_second = [char for block in HANZI.values() for char in block[::2]]
    pieces = tuple(dict.fromkeys([*SPECIAL, *"ab1", "##a", "##b", "##1", "，", *every_second]))
    native = mode == "native"
    rules = Rules(strip_accents=not native, clean=not native)
    added = tuple(AddedToken(name, id) for id, name in enumerate(SPECIAL))
    ours = Tokenizer(TokenizerSpec(mode, rules, pieces, added))
    return ours, build(ours.spec, run_alphabet(ours.spec))


def test_the_blocks_hold_what_the_standard_counts() -> None:
    counts = {name: len(block) for name, block in HANZI.items()}
    assert counts["unified"] == 20_992 and counts["extension A"] == 6_592 and counts["extension B"] == 42_720
    assert counts["extension I"] == 622 and counts["extension H"] == 4_192
    assert all(map(is_hanzi, itertools.chain.from_iterable(HANZI.values())))


@pytest.mark.parametrize("block", BLOCKS)
def test_native_gives_each_a_token_of_its_own(block: str) -> None:
    ours, theirs = both("native")
    hanzi = HANZI[block]
    ids = {piece: id for id, piece in enumerate(ours.vocab)}
    expected = [ids.get(char, ours.unk_id) for char in hanzi]
    assert len(hanzi) < 2 or ours.unk_id in expected
    together = ours.pieces("".join(hanzi))
    assert together.ids.tolist() == expected
    assert together.spans.tolist() == [[place, place + 1] for place in range(len(hanzi))]
    assert together.word_ids.tolist() == list(range(len(hanzi)))
    alone = ours.flat_pieces(hanzi)
    assert alone.ids.tolist() == expected
    assert alone.spans.tolist() == [[0, 1]] * len(hanzi)
    neighbours = [f"a{char}b1{char}，" for char in hanzi]
    for place, pieces in enumerate(ours.flat_pieces(neighbours)):
        assert pieces.spans.tolist() == [[0, 1], [1, 2], [2, 3], [3, 4], [4, 5], [5, 6]]
        assert pieces.ids[1] == pieces.ids[4] == expected[place]
    same_ids(ours, theirs, [*hanzi, *neighbours, "".join(hanzi)])


@pytest.mark.parametrize("block", BLOCKS)
def test_reference_gives_the_ids_of_the_library(block: str) -> None:
    """It takes the newest extensions for letters and merges them; so must we, and show the merged span."""
    ours, theirs = both("reference")
    hanzi = HANZI[block]
    same_ids(ours, theirs, [*hanzi, *(f"a{char}b{char}，" for char in hanzi), "".join(hanzi[:5000])])


def test_what_reference_merges_has_the_span_of_all() -> None:
    ours, theirs = both("reference")
    merged = "一\U00030000\U00030001丂"
    assert theirs.encode(merged).tokens == ["[CLS]", "一", "[UNK]", "丂", "[SEP]"]
    assert ours.pieces(merged).spans.tolist() == [[0, 1], [1, 3], [3, 4]]


def same_ids(ours: Tokenizer, theirs: tokenizers.Tokenizer, batch: list[str]) -> None:
    for text, encoding, expected in zip(
        batch, ours.encode_batch(batch), theirs.encode_batch_fast(batch), strict=True
    ):
        assert encoding.ids.tolist() == expected.ids, ascii(text[:40])
