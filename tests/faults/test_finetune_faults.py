"""Bad data given to `erya finetune`: refused before training, named with file and line, never a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from safetensors.torch import load_file, save_file

from erya.checkpoints.info import ModelInfo
from erya.checkpoints.saving import save_model
from erya.cli.main import run
from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
from erya.models.initialise import initialise
from erya.tokenizer.wordpiece import Tokenizer

Finetune = Callable[..., tuple[int, str]]

CHARACTERS = "好差很非常房间大小服务书看李四在北京谁哪里"
GOOD = [("房间很好", "好"), ("服务很差", "差"), ("书很好看", "好"), ("房间很小", "差")]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random encoder of one layer and 16 positions."""
    folder = tmp_path_factory.mktemp("base")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys(CHARACTERS)]
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    config = EncoderConfig(
        vocab_size=len(pieces),
        hidden_size=8,
        num_layers=1,
        num_heads=2,
        intermediate_size=16,
        max_positions=16,
    )
    encoder = Encoder(config)
    initialise(encoder, initializer_range=0.1, generator=torch.Generator().manual_seed(3))
    info = ModelInfo(max_length=16)
    save_model(folder / "model", module=encoder, tokenizer=Tokenizer.open(folder), info=info)
    return folder / "model"


@pytest.fixture
def finetune(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Finetune:
    """`erya finetune KIND ...` of two files' contents: exit status, and what it said on stderr."""

    def command(
        kind: str, train: str | bytes, dev: str | bytes, *options: str, suffix: str
    ) -> tuple[int, str]:
        for name, content in (("train", train), ("dev", dev)):
            data = content.encode() if isinstance(content, str) else content
            (tmp_path / f"{name}{suffix}").write_bytes(data)
        capsys.readouterr()
        status = run(
            [
                *("finetune", kind, "--model", str(model), "--out", str(tmp_path / "run")),
                *("--train", str(tmp_path / f"train{suffix}"), "--dev", str(tmp_path / f"dev{suffix}")),
                *("train.device=cpu", "train.threads=1", "train.epochs=1", *options),
            ]
        )
        said = capsys.readouterr().err
        assert "Traceback" not in said and "bug in Erya" not in said
        return status, said

    return command


def table(rows: list[tuple[str, str]], names: str = "text\tlabel") -> str:
    return names + "\n" + "".join(f"{text}\t{label}\n" for text, label in rows)


def lines(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


SOUND = table(GOOD)


@pytest.mark.parametrize(
    ("train", "dev", "parts"),
    [
        (table(GOOD, "content\tlabel"), SOUND, ["train.tsv, line 1", "no column 'text'", "content, label"]),
        (table(GOOD, "text\tlabels"), SOUND, ["train.tsv, line 1", "did you mean 'labels'"]),
        (SOUND, "text\n好\n", ["dev.tsv, line 1", "no column 'label'"]),
        (SOUND, table([*GOOD, ("很好", "好 ")]), ["dev.tsv, line 6", "label '好 '", "did you mean '好'"]),
        (table([*GOOD, ("  ", "好")]), SOUND, ["train.tsv, line 6", "the text is empty"]),
        (table([*GOOD, ("好" * 100_000, "好")]), SOUND, ["line 6 (100002 tokens)", "--truncate"]),
        (table([("好", "好"), ("好", "差")]), SOUND, ["train.tsv, line 2", "training texts are the same"]),
        (table([("好", "好"), ("很好", "好")]), SOUND, ["train.tsv", "the same label '好'"]),
        (table(GOOD * 20).encode("gb18030"), SOUND, ["train.tsv, line 2", "looks like GB18030", "iconv"]),
        (SOUND, table(GOOD * 20).encode("utf-16"), ["dev.tsv, line 1", "looks like UTF-16LE"]),
        (SOUND.replace("\t差", ""), SOUND, ["train.tsv, line 3", "1 fields"]),
        ("", SOUND, ["train.tsv", "empty"]),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)  # fmt: skip
def test_classification(finetune: Finetune, train: Any, dev: Any, parts: list[str]) -> None:
    status, said = finetune("classify", train, dev, suffix=".tsv")
    assert status == 2
    for part in parts:
        assert part in said


def test_a_class_with_one_example_is_named_and_a_long_text_is_cut_and_counted(finetune: Finetune) -> None:
    train = table([*GOOD, ("好" * 100_000, "中")])
    status, said = finetune("classify", train, SOUND, "--truncate", suffix=".tsv")
    assert status == 0
    assert "one training example: 中 [training line 6" in said
    assert "99,986 tokens lost" in said and "1 training text of more than 20,000 characters" in said


def test_a_rate_that_spoils_the_weights_stops_the_run(finetune: Finetune, tmp_path: Path) -> None:
    status, said = finetune("classify", SOUND, SOUND, "train.learning_rate=1e30", suffix=".tsv")
    assert status == 2 and "not a number" in said and "smaller train.learning_rate" in said
    assert not (tmp_path / "run" / "model").exists()


def test_weights_that_are_no_numbers_are_refused(finetune: Finetune, model: Path) -> None:
    whole = load_file(model / "model.safetensors")
    try:
        spoilt = {name: torch.full_like(tensor, torch.nan) for name, tensor in whole.items()}
        save_file(spoilt, model / "model.safetensors", metadata={"format": "pt"})
        status, said = finetune("classify", SOUND, SOUND, suffix=".tsv")
    finally:
        save_file(whole, model / "model.safetensors", metadata={"format": "pt"})
    assert status == 2 and "the weights are not finite" in said and "words" in said


def tagged(*entities: Any) -> str:
    good = {"text": "李四在北京", "entities": [[0, 2, "PER"], [3, 5, "LOC"]]}
    return lines(good, {"text": "李四在北京", "entities": list(entities)}, {**good, "text": "李四看北京"})


@pytest.mark.parametrize(
    ("train", "parts"),
    [
        (tagged([3, 9, "LOC"]), ["line 2", "outside its text", "bad_entities=skip"]),
        (tagged([2, 2, "LOC"]), ["line 2", "empty entity"]),
        (tagged([0, 3, "PER"], [2, 5, "LOC"]), ["line 2", "overlap", "head=span_pairs"]),
        (tagged({"start": 0, "end": 2, "type": "PER", "text": "北京"}), ["line 2", "'李四', not '北京'"]),
        (tagged("PER"), ["line 2", "malformed"]),
        (tagged() + lines({"text": " ", "entities": []}), ["line 4", "the text is empty"]),
        (lines({"text": "李四", "entities": []}), ["entity"]),
    ],
)  # fmt: skip
def test_tagging(finetune: Finetune, train: str, parts: list[str]) -> None:
    status, said = finetune("tag", train, tagged(), suffix=".jsonl")
    assert status == 2
    for part in ["train.jsonl", *parts]:
        assert part in said


def test_tagging_with_a_type_that_training_lacks_and_broken_tags(finetune: Finetune) -> None:
    status, said = finetune("tag", tagged(), tagged([3, 5, "LOK"]), suffix=".jsonl")
    assert status == 2 and "dev.jsonl, line 2" in said and "'LOK'" in said
    good, broken = "李 B-PER\n四 I-PER\n在 O\n", "北 O\n京 I-LOC\n"
    status, said = finetune("tag", good + "\n" + broken, good, suffix=".bio")
    assert status == 2 and "train.bio, line 6" in said and "I-LOC after O" in said


def asked(*answers: dict[str, Any]) -> str:
    good = {"question": "谁", "context": "李四在北京", "answers": [{"text": "李四", "start": 0}]}
    return lines(good, {**good, "question": "哪里", "answers": list(answers)})


@pytest.mark.parametrize(
    ("train", "parts"),
    [
        (asked({"text": "北京", "start": 0}), ["line 2", "bad_answers=mend", "occurs 1 times"]),
        (asked({"text": "书", "start": 0}), ["line 2", "not in the context"]),
        (asked({"start": 0}), ["line 2", "without a text"]),
        (lines({"question": " ", "context": "北京", "answers": []}), ["line 1", "the question is empty"]),
        (lines({"question": "谁", "context": "北京"}), ["line 1", "'answers'"]),
    ],
)
def test_answering(finetune: Finetune, train: str, parts: list[str]) -> None:
    status, said = finetune("answer", train, asked(), suffix=".jsonl")
    assert status == 2
    for part in ["train.jsonl", *parts]:
        assert part in said


@pytest.mark.parametrize(
    ("kind", "row", "parts"),
    [
        ("match", {"text": "好", "pair": "", "label": 1}, ["line 3", "the pair is empty"]),
        ("match", {"text": "好", "label": 1}, ["line 3", "'pair'"]),
        ("match", {"text": "好", "pair": "很好", "label": [1]}, ["line 3", "label"]),
        ("embed", {"text": "", "pair": "很好", "score": 1}, ["line 3", "the text is empty"]),
        ("embed", {"text": "好", "pair": "很好", "score": "高"}, ["line 3", "a number is wanted"]),
        ("embed", {"text": "好", "pair": "很好"}, ["line 3", "no score"]),
    ],
)
def test_pairs(finetune: Finetune, kind: str, row: dict[str, Any], parts: list[str]) -> None:
    truth = "label" if kind == "match" else "score"
    good = lines({"text": "好", "pair": "很好", truth: 1}, {"text": "差", "pair": "很好", truth: 0})
    status, said = finetune(kind, good + lines(row), good, suffix=".jsonl")
    assert status == 2
    for part in ["train.jsonl", *parts]:
        assert part in said
