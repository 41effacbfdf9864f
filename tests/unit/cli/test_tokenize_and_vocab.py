"""`erya tokenize` and `erya vocab train` as somebody types them."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from erya.cli.main import run
from erya.tokenizer.wordpiece import Tokenizer

TEXT = "北京大学的学生在看书。Hello world 2024年！\n" * 80 + "今天天气很好，我们去公园。hello\n" * 80


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("vocab")
    (directory / "text.txt").write_text(TEXT, encoding="utf-8")
    assert (
        run(["vocab", "train", str(directory / "text.txt"), "--size", "300", "--out", str(directory / "out")])
        == 0
    )
    return directory / "out"


def test_vocab_train_writes_a_tokenizer_and_its_report(trained: Path) -> None:
    tokenizer = Tokenizer.open(trained)
    assert (tokenizer.mode, tokenizer.lowercase, tokenizer.pad_id) == ("native", True, 0)
    assert {"北", "hello"} <= set(tokenizer.vocab)
    report = json.loads((trained / "training.json").read_text(encoding="utf-8"))
    assert report["size"] == tokenizer.vocab_size
    assert report["training_documents"] + report["heldout_documents"] == 160


def test_tokenize_prints_a_line_a_line(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["北京 HELLO", "", "罕\u2028见\x85"]
    (tmp_path / "in.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert run(["tokenize", str(tmp_path / "in.txt"), "--tokenizer", str(trained), "--no-special"]) == 0
    captured = capsys.readouterr()
    found = [json.loads(line) for line in captured.out.split("\n")[:-1]]
    assert [item["tokens"] for item in found] == [["北", "京", "hello"], [], ["[UNK]", "[UNK]"]]
    assert found[0]["spans"] == [[0, 1], [1, 2], [3, 8]]
    assert "2 of 5 tokens are unknown (40.00%)" in captured.err


def test_tokenize_reads_stdin(
    trained: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\ufeff学生\r\n".encode())))
    assert run(["tokenize", "--tokenizer", str(trained)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["tokens"] == ["[CLS]", "学", "生", "[SEP]"]
    assert found["spans"] == [[0, 0], [0, 1], [1, 2], [0, 0]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tokenize", "nowhere.txt", "--tokenizer", "{out}"], "no such file"),
        (["tokenize", "{binary}", "--tokenizer", "{out}"], "line 1"),
        (["tokenize", "{text}", "--tokenizer", "{empty}"], "no tokenizer here"),
        (["tokenize", "{text}"], "--tokenizer"),
        (["vocab", "train", "nowhere.txt", "--out", "{new}"], "no such file"),
        (["vocab", "train", "{text}", "--out", "{out}"], "exists and is not empty"),
        (["vocab", "train", "{text}", "--out", "{new}", "--size", "10"], "a vocabulary of 10 is too small"),
        (["vocab", "train", "{jsonl}", "--out", "{new}"], "no record has text in the field 'text'"),
    ],
)
def test_mistakes_are_told_and_exit_with_2(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    paths = {name: tmp_path / name for name in ("binary", "text", "empty", "new")} | {"out": trained}
    paths["jsonl"] = tmp_path / "x.jsonl"
    paths["binary"].write_bytes(b"\xff\xfe\x00\x9f\n")
    paths["text"].write_text(TEXT, encoding="utf-8")
    paths["empty"].mkdir()
    paths["jsonl"].write_text('{"content": "北京"}\n')
    assert run([argument.format(**paths) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert not (tmp_path / "new").exists()
