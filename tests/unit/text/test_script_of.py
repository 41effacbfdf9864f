"""Simplified, traditional, mixed: told by the Hanzi that only one of them has."""

from __future__ import annotations

import numpy as np
import pytest

from erya.text.script import convert_text
from erya.text.script_of import NOT_HANZI, SHARED, SIMPLIFIED, TRADITIONAL, hanzi_scripts, script_of

SIMPLE = "这个国家的经济发展很快，人们过着幸福的生活。"


@pytest.mark.parametrize(
    ("text", "script"),
    [
        (SIMPLE, "simplified"),
        (convert_text(SIMPLE, "s2t"), "traditional"),
        (SIMPLE + convert_text(SIMPLE, "s2t"), "mixed"),
        (SIMPLE * 5 + "龍", "simplified"),
        ("國際" * 5 + "东", "traditional"),
        ("天下大同", "neutral"),
        ("皇后在公里之后", "neutral"),
        ("Hello, 世", "neutral"),
        ("hello 123 かな 😀", "none"),
        ("", "none"),
        ("\ud800这", "simplified"),
    ],
)
def test_the_script_of_a_text(text: str, script: str) -> None:
    assert script_of(text) == script


def test_the_table_of_characters() -> None:
    table = hanzi_scripts()
    assert (table.shape, table.dtype) == ((0x110000,), np.uint8)
    told = {char: int(table[ord(char)]) for char in "国國人后於𠮷〇a。あ😀"}
    assert told == {
        "国": SIMPLIFIED,
        "國": TRADITIONAL,
        "人": SHARED,
        "后": SHARED,
        "於": TRADITIONAL,
        "𠮷": SHARED,
        "〇": SHARED,
        "a": NOT_HANZI,
        "。": NOT_HANZI,
        "あ": NOT_HANZI,
        "😀": NOT_HANZI,
    }
    assert table[0xF900] == SHARED  # a compatibility form of 豈


def test_the_table_cannot_be_spoiled() -> None:
    with pytest.raises(ValueError, match="read-only"):
        hanzi_scripts()[0] = 1
