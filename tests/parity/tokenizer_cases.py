"""Strings that break tokenizers, and small vocabularies to break them with."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import strategies as st

from erya.files import open_binary

DATA = Path(os.environ.get("ERYA_DATA", Path(__file__).parents[3] / "shared" / "data"))
GOOGLE = DATA / "tasks" / "vocab" / "bert-base-chinese-vocab.txt"
needs_data = pytest.mark.skipif(not GOOGLE.is_file(), reason="no data folder: set ERYA_DATA to run this")

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_PLAIN = (
    "的一是了我不人在他有这中国é京0123456789abcdefghijklmnopqrstuvwxyz"
    "ABCDEFGXYZıßäёжασς，。！？、《》“”,.!?-[]#@…·'\""
)
_PIECES = "the ##ing in ##s ##er un ##aff ##able Hello hello ##llo World 20 ##24 ##23 ##00 ss fi 北京"
_RARE = [
    "𠀀",
    "𪛖",
    "㐀",
    "豈",
    "⼀",
    "⺀",
    "😀",
    "👍",
    "あ",
    "カ",
    "ᄒ",
    "##ᅡ",
    "##ᆫ",
    "한",
    "ก",
    "〇",
    "\u200d",
]
VOCABULARY = tuple(
    dict.fromkeys(
        SPECIAL + list(_PLAIN) + ["##" + char for char in _PLAIN if char.isalnum()] + _PIECES.split() + _RARE
    )
)

# Whatever a rule may stumble over, by itself and (through `texts`) next to everything else.
AWKWARD = [
    *"中国的一是豈更慨﨎﨏⼀⼄⺀⺁〇〡々ㄅㆠ㇀",  # Hanzi, compatibility Hanzi, radicals, strokes
    *(
        chr(code)
        for code in (0x20000, 0x2A6DF, 0x2B740, 0x2B820, 0x2B91F, 0x2CEB0, 0x2EBF0, 0x30000, 0x31350)
    ),
    *(chr(code) for code in (0x323B0, 0x2F800, 0x2FA1D, 0x9FFF, 0xF0000, 0xE000, 0x10FFFF)),
    "👨‍👩‍👧‍👦",
    "👍🏽",
    "🇨🇳",
    "1️⃣",
    "❤️",
    "😀😀",
    "é",
    "e\u0301",
    "a\u0323\u0307",
    "a\u0307\u0323",
    "ü",
    *"ǖßſıİIKÅΩςΣẞǅﬁ",
    "i\u0307",
    # Marks that survive stripping and have an order among themselves.
    "\u302e",
    "\u302f",
    "\U0001d165",
    "\U0001d16e",
    "\U0001d15e",
    "\u0951",
    "\u1b44",
    "\u08d4",
    "\U0001e944",
    "\u034f",
    "\u0345",
    *"\x00\x01\t\n\r\x0b\x0c\x1c\x1f\x7f\x85\xa0\xad",
    *"\u1680\u180e\u2000\u200b\u200d\u2028\u2029\u202e\u2060\u3000\ufeff\ufffd\ufe0f",
    *"ＡｂＣ１２３，。！～「」％¥￥＄",
    *"한글ㅎ한각",
    "สวัสดี",
    "नमस्ते",
    "مرحبا",
    "שלום",
    "かな",
    "カタカナ",
    "カ\u3099",
    *SPECIAL,
    "[MASK",
    "MASK]",
    "[mask]",
    "[[MASK]]",
    "[unused1]",
    "##ing",
    "##",
    "Hello",
    "WORLD",
    "unaffable",
    "2024",
    "3.14",
    "iPhone15",
    "a" * 99,
    "a" * 100,
    "b" * 101,
    "1" * 250,
    "don't",
    "U.S.",
    "C++",
    "http://a.cn/?q=1&b",
    " ",
    "  ",
    "`",
    "\u1fef",
    "\u037e",
    "^",
    "$",
    "+",
    "~",
]

characters = st.characters(exclude_categories=["Cs"])
texts = st.lists(st.one_of(st.sampled_from(AWKWARD), characters, st.text(max_size=3)), max_size=14).map(
    "".join
)


def lines_of(path: Path) -> Iterator[str]:
    """The lines of a file, compressed or not."""
    with open_binary(path) as stream:
        for line in stream:
            yield line.decode("utf-8").rstrip("\n")


def task_lines(limit: int | None) -> Iterator[list[str]]:
    """The first `limit` lines of every task file, or all of them, in batches."""
    # Some files are one line of megabytes: a sample takes the beginning of those.
    longest = None if limit is None else 5000
    for path in sorted(path for path in (DATA / "tasks").rglob("*") if path.is_file()):
        wanted = (line[:longest] for line in itertools.islice(lines_of(path), limit))
        while batch := list(itertools.islice(wanted, 2000)):
            yield batch
