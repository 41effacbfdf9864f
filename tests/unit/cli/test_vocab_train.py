"""`erya vocab train` as somebody types it: coverage, digits, samples, the report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from erya.cli.main import run
from erya.tokenizer.wordpiece import Tokenizer

LINES = [f"第{n}行，这是我们的国家。hello world{n} 國家😀" for n in range(400)]


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("\n".join(LINES) + "\n", encoding="utf-8")
    return path


def train(text: Path, *options: str) -> dict:
    out = text.parent / "out"
    assert run(["vocab", "train", str(text), "--out", str(out), "--replace", *options]) == 0
    return json.loads((out / "training.json").read_text(encoding="utf-8"))


def test_the_size_is_a_multiple_of_64_and_the_report_complete(text: Path, capsys) -> None:
    report = train(text, "--size", "300", "--unused", "10")
    tokenizer = Tokenizer.open(text.parent / "out")
    assert report["size"] == tokenizer.vocab_size
    assert report["size"] % 64 == 0
    assert report["unused_places"] == sum(piece.startswith("[unused") for piece in tokenizer.vocab)
    kinds = {row["kind"]: row for row in report["heldout"]}
    assert kinds["Latin letters"]["tokens_per_character"] < 1
    assert kinds["traditional Hanzi"]["characters"] == report["heldout_documents"]
    assert kinds["documents: mixed"]["documents"] == report["heldout_documents"]
    assert kinds["all"]["share"] == 1
    shown = capsys.readouterr().out
    assert "how well it fits" in shown and "documents: mixed" in shown


def test_coverage_decides_the_size(text: Path, capsys) -> None:
    small = train(text, "--coverage", "0.9")
    assert "size_wanted" not in small
    large = train(text, "--coverage", "1", "--min-frequency", "1")
    assert small["training_coverage"] < large["training_coverage"] == 1
    assert small["hanzi"] < large["hanzi"]
    capsys.readouterr()
    train(text, "--coverage", "1", "--min-frequency", "500")
    assert "less than was asked for" in capsys.readouterr().err


def test_digits_are_split(text: Path) -> None:
    assert train(text, "--digits", "split")["digits"] == "split"
    tokenizer = Tokenizer.open(text.parent / "out")
    assert [tokenizer.vocab[id] for id in tokenizer.pieces("world120").ids] == ["world", "1", "2", "0"]


def test_a_sample_is_said_in_the_report(text: Path) -> None:
    everything = train(text, "--sample", "0")
    sampled = train(text, "--sample", "3000")
    assert (everything["sample_characters_wanted"], sampled["sample_characters_wanted"]) == ("all", 3000)
    assert sampled["training_characters"] <= 3100 < everything["training_characters"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--coverage", "99"], "no share of the text"),
        (["--coverage", "0"], "no share of the text"),
        (["--digits", "join"], "unknown treatment of digits 'join'"),
        (["--coverage", "0.99999", "--size", "240"], "do not hold the characters"),
    ],
)
def test_mistakes_are_told(text: Path, capsys, options: list[str], message: str) -> None:
    out = text.parent / "new"
    assert run(["vocab", "train", str(text), "--out", str(out), *options]) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()
