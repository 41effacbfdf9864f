"""Strings that break tokenizers, and small vocabularies to break them with."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

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


def _between(*ranges: tuple[int, int]) -> st.SearchStrategy[str]:
    return st.one_of([st.integers(first, last).map(chr) for first, last in ranges])


_EMOJI = _between((0x1F300, 0x1F64F), (0x1F680, 0x1F6FF), (0x1F900, 0x1FAFF), (0x2600, 0x27BF))
_HANZI = _between((0x4E00, 0x9FFF), (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x323AF), (0xF900, 0xFAD9))
_MARKS = _between((0x300, 0x36F), (0x1AB0, 0x1ACE), (0x20D0, 0x20F0), (0x302A, 0x302F), (0x1D165, 0x1D172))
_LATIN = st.text("abcdefghinorstuxyzABCDEFGXYZ0123456789", min_size=1, max_size=12)

# What each category is made of; `in_company` sets it among Chinese, Latin and signs.
CATEGORIES: dict[str, st.SearchStrategy[str]] = {
    "Hanzi of all extensions": _HANZI,
    "cased words": st.sampled_from(
        ["Hello", "WORLD", "iPhone15", "dž", "ǅ", "ẞ", "ΑΣ", "Σ", "İ", "ı", "ﬃ", "Ж"]
    )
    | _LATIN,
    "accents": _between((0xC0, 0x24F), (0x1E00, 0x1EFF), (0x386, 0x3CE), (0x400, 0x45F)),
    "combining marks": st.builds(
        str.__add__, st.sampled_from("aeinou中ㄅ한"), st.text(_MARKS, min_size=1, max_size=4)
    ),
    "emoji": st.one_of(
        _EMOJI,
        st.builds("{}{}".format, _EMOJI, _between((0x1F3FB, 0x1F3FF))),
        st.lists(_EMOJI, min_size=2, max_size=4).map("\u200d".join),
        st.text(_between((0x1F1E6, 0x1F1FF)), min_size=1, max_size=4),
        st.sampled_from("0123456789#*").map("{}\ufe0f\u20e3".format),
        _EMOJI.map("{}\ufe0f".format),
        st.sampled_from(["\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"]),
    ),
    "astral planes": _between(
        (0x10000, 0x1FFFF), (0x20000, 0x3FFFF), (0xE0000, 0xE0FFF), (0x10FFF0, 0x10FFFF)
    ),
    "Hangul": _between(
        (0xAC00, 0xD7A3), (0x1100, 0x11FF), (0x3130, 0x318F), (0xA960, 0xA97C), (0xD7B0, 0xD7FB)
    ),
    "private use": _between((0xE000, 0xF8FF), (0xF0000, 0xF00FF), (0x100000, 0x1000FF)),
    "full-width": _between((0xFF00, 0xFFEF), (0xFF10, 0xFF5A)),
    "control and format": _between(
        (0, 0x20), (0x7F, 0xA0), (0x200B, 0x200F), (0x2028, 0x202F), (0x2060, 0x206F)
    )
    | st.sampled_from("\ufeff\ufff9\ufffd\uffff\xad\u180e\u061c\u3000\U000e0001"),
    "other scripts": _between(
        (0x590, 0x5FF), (0x600, 0x6FF), (0x900, 0x97F), (0xE00, 0xE7F), (0x3040, 0x30FF)
    ),
}


def in_company(category: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Texts of a category mixed with Chinese and Latin, with spaces and without."""
    company = st.one_of(_HANZI, _LATIN, st.sampled_from(["，", "。", " ", ".", "-", "中国", "the", "[MASK]"]))
    return st.lists(st.one_of(category, category, company), min_size=1, max_size=16).map("".join)


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


def documents(name: str, about_bytes: int) -> Iterator[list[str]]:
    """A seeded sample of `text/NAME.jsonl.xz` of about so many bytes, from all over the file, in batches."""
    path = DATA / "text" / f"{name}.jsonl.xz"
    random = Random(name)
    # Text of this kind is three times as large as its compressed form.
    share = about_bytes / 3 / path.stat().st_size
    chosen = (json.loads(line)["text"] for line in lines_of(path) if random.random() < share)
    while batch := list(itertools.islice(chosen, 500)):
        yield batch
