"""Kinds of characters, by hand."""

from __future__ import annotations

import pytest

from erya.text.kinds import KINDS, character_kinds


@pytest.mark.parametrize(
    ("characters", "kind"),
    [
        ("国么𫝈", "simplified Hanzi"),
        ("國麼", "traditional Hanzi"),
        ("人〇𠮷后", "shared Hanzi"),
        ("azAZéßＡｚ", "Latin letters"),
        ("09５①Ⅳ", "digits"),
        ("，。“”…—·!?《", "punctuation"),
        ("$+℃×😀\u200d\ufe0f①"[:-1], "symbols and emoji"),
        (" \t\n\u3000\x85", "white space"),
        ("かガ한λж\x00\ue000\ud800\U000f0000", "other"),
    ],
)
def test_every_character_has_its_kind(characters: str, kind: str) -> None:
    assert {KINDS[character_kinds()[ord(character)]] for character in characters} == {kind}


def test_every_code_point_has_a_kind() -> None:
    kinds = character_kinds()
    assert kinds.shape == (0x110000,)
    assert kinds.max() < len(KINDS)
    assert not kinds.flags.writeable
