"""`erya tokenize` on lines with half a character in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from erya.cli.main import run

BROKEN = b"\xed\xa0\xbd"  # U+D83D, the first half of an emoji, written by itself as broken converters do


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    directory = tmp_path / "tokenizer"
    directory.mkdir()
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "中", "国"]
    (directory / "vocab.txt").write_text("".join(piece + "\n" for piece in pieces), encoding="utf-8")
    (directory / "tokenizer_config.json").write_text(json.dumps({"erya_mode": "native"}))
    return directory


def tokenize(tmp_path: Path, tokenizer: Path, *options: str) -> int:
    (tmp_path / "in.txt").write_bytes("中国\n中".encode() + BROKEN + "国\n".encode())
    return run(
        ["tokenize", str(tmp_path / "in.txt"), "--tokenizer", str(tokenizer), "--no-special", *options]
    )


def test_they_are_read_as_one_unknown_character(
    tmp_path: Path, tokenizer: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tokenize(tmp_path, tokenizer) == 0
    second = json.loads(capsys.readouterr().out.splitlines()[1])
    assert second == {"ids": [5, 1, 6], "tokens": ["中", "[UNK]", "国"], "spans": [[0, 1], [1, 2], [2, 3]]}


def test_or_refused_with_the_line(
    tmp_path: Path, tokenizer: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tokenize(tmp_path, tokenizer, "--surrogates", "error") == 2
    assert "in.txt, line 2" in capsys.readouterr().err
