"""`erya info` tells what a directory is, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from document_batches import to_batch
from typer.testing import CliRunner

from erya.checkpoints.info import ModelInfo
from erya.checkpoints.saving import foreign_tensors, save_model
from erya.cli import info
from erya.cli.info import describe
from erya.data.documents import Document, DocumentsWriter, write_manifest
from erya.errors import CheckpointError, InputError
from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
from erya.models.masked_lm import MaskedLanguageModel
from erya.tokenizer.wordpiece import Tokenizer

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "好", "差", "。", "ok", "##s"]
CONFIG = EncoderConfig(
    vocab_size=12, hidden_size=8, num_layers=1, num_heads=2, intermediate_size=9, max_positions=11
)

MIXED = {"name": "news", "weight": 2.0, "wanted_share": 0.6, "share": 2 / 3, "repeats": 1.5}
MIXED |= {"documents": 3, "characters": 12, "tokens": 10, "documents_there": 2, "characters_there": 8}


@pytest.fixture
def vocabulary(tmp_path: Path) -> Path:
    directory = tmp_path / "vocabulary"
    directory.mkdir()
    (directory / "vocab.txt").write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    return directory


@pytest.fixture
def model(tmp_path: Path, vocabulary: Path) -> Path:
    module = MaskedLanguageModel(Encoder(CONFIG, pooler=False))
    described = ModelInfo(task="masked_lm", max_length=11, provenance={"seed": 3})
    save_model(tmp_path / "model", module=module, tokenizer=Tokenizer.open(vocabulary), info=described)
    return tmp_path / "model"


def test_a_model(model: Path) -> None:
    found = describe(model)
    module = MaskedLanguageModel(Encoder(CONFIG, pooler=False))
    assert (found["kind"], found["family"], found["task"]) == ("model", "bert", "masked_lm")
    assert found["num_parameters"] == sum(p.numel() for p in module.parameters())
    assert set(found["parameters"]) == {"embeddings", "blocks", "head"}
    assert found["vocabulary"]["rows_without_a_piece"] == 2
    assert found["provenance"] == {"seed": 3} and found["notes"] == [] and found["dtype"] == ["F32"]


def test_a_screen_has_no_room_for_the_recipe_of_a_model() -> None:
    sums = {"shards": "0" * 64}
    shown = info._for_a_person("provenance", {"recipe": {"a": 1}, "fingerprints": sums, "steps": 3}, width=80)
    assert shown == {"steps": 3}


def test_a_pickled_foreign_model_with_faults_says_which(model: Path) -> None:
    module = MaskedLanguageModel(Encoder(CONFIG, pooler=False))
    tensors = foreign_tensors(module) | {"extra.weight": torch.zeros(2)}
    del tensors["bert.encoder.layer.0.attention.self.key.bias"]
    for name in ("model.safetensors", "erya.json", "vocab.txt", "tokenizer.json"):
        (model / name).unlink()
    torch.save(tensors, model / "pytorch_model.bin")
    found = describe(model)
    assert found["notes"] == [
        "left over: extra.weight",
        "missing: encoder.layer.0.attention.self.key.bias",
    ]
    assert "no tokenizer" in found["vocabulary"]["problem"] and found["dtype"] == ["F32"]


def test_a_model_without_a_masked_head_says_what_that_means(tmp_path: Path, vocabulary: Path) -> None:
    config = CONFIG.model_copy(update={"vocab_size": 11})
    module, tokenizer = Encoder(config), Tokenizer.open(vocabulary)
    save_model(tmp_path / "m", module=module, tokenizer=tokenizer, info=ModelInfo(max_length=9))
    found = describe(tmp_path / "m")
    assert found["heads"] == [] and "no masked-language head" in found["notes"][0]
    assert "all ids behind it are one off" in found["notes"][1]


def test_another_family_shows_what_is_not_as_in_bert(tmp_path: Path, vocabulary: Path) -> None:
    config = CONFIG.model_copy(update={"family": "albert", "embedding_size": 5, "num_groups": 1})
    module = MaskedLanguageModel(Encoder(config, pooler=False))
    described = ModelInfo(task="masked_lm", max_length=9)
    save_model(tmp_path / "m", module=module, tokenizer=Tokenizer.open(vocabulary), info=described)
    found = describe(tmp_path / "m")
    assert (found["family"], found["saved_as"]) == ("albert", "AlbertForMaskedLM")
    assert (found["sizes"]["embedding_size"], found["sizes"]["num_groups"]) == (5, 1)
    assert "positions" not in found["sizes"] and found["heads"] == ["masked_lm"]


def test_a_tokenizer(vocabulary: Path) -> None:
    found = describe(vocabulary)
    assert (found["kind"], found["mode"], found["vocab_size"]) == ("tokenizer", "reference", 10)
    assert found["pieces"] == {
        "special": 5,
        "Hanzi": 2,
        "other characters": 1,
        "words and numbers": 1,
        "continuations": 1,
    }


def test_documents(tmp_path: Path) -> None:
    starts, ends = np.array([True, False]), np.array([False, True])
    (tmp_path / "documents").mkdir()
    writer = DocumentsWriter(tmp_path / "documents")
    documents = [
        Document("好的", "a.txt", None, starts, ends, 1, "train"),
        Document("不好", "a.txt", None, starts, ends, 2, "heldout"),
    ]
    writer.write(to_batch(documents))
    report = {"records": 5, "dropped": {"duplicate": 3}, "samples": {"duplicate": [{"text": "好" * 9999}]}}
    write_manifest(tmp_path / "documents", writer.finish(), report=report)
    found = describe(tmp_path / "documents")
    assert found["kind"] == "documents"
    assert found["documents"] == {"train": 1, "heldout": 1}
    assert found["characters"] == {"train": 2, "heldout": 2}
    assert found["report"] == {"records": 5, "dropped": {"duplicate": 3}}, "samples do not fit a screen"


def test_shards(tmp_path: Path, vocabulary: Path) -> None:
    shard = {"words": 3, "sentences": 2, "documents": 1, "unknown_tokens": 1, "sha256": {}}
    manifest = {
        "tokenizer_hash": "0",
        "vocab_size": 10,
        "dtype": "uint16",
        "characters": 20,
        "uncovered_characters": 0,
        "empty_documents": 0,
        "mixture": [MIXED],
        "source": {"news": {"records": 4, "files": [{"path": "a.txt"}]}, "books": {"records": 6}},
        "shards": [
            {"name": "train-00000", "split": "train", "tokens": 7, **shard},
            {"name": "train-00001", "split": "train", "tokens": 8, **shard},
            {"name": "heldout-00000", "split": "heldout", "tokens": 2, **shard},
        ],
    }
    directory = tmp_path / "shards"
    directory.mkdir()
    (directory / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    vocabulary.rename(directory / "tokenizer")
    found = describe(directory)
    assert found["kind"] == "shards" and found["vocabulary"]["size"] == 10
    assert found["train"] == {"shards": 2, "tokens": 15, "words": 6, "sentences": 4, "documents": 2}
    assert found["heldout"]["tokens"] == 2 and found["unknown_tokens"] == 3
    assert found["source"] == {"news": {"records": 4}, "books": {"records": 6}}
    assert found["mixture"] == ["news: 66.7% of the training text, 1.50 times its documents"]


def test_a_run(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("train:\n  steps: 9\n  max_tokens: null\n", encoding="utf-8")
    lines = [{"step": 4, "loss": 2.5}, {"step": 4, "eval_loss": 2.25}, {"step": 5, "loss": 2.0}]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "metrics.jsonl").write_text(text + '{"step": 6, "lo', encoding="utf-8")
    for name in ("step-4", "step-12", ".step-13.doomed"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
    found = describe(tmp_path)
    assert found["kind"] == "run" and found["recipe"] == ["train: steps 9"]
    assert (found["last_step"]["loss"], found["last_evaluation"]["eval_loss"]) == (2.0, 2.25)
    assert found["checkpoints"] == [] and found["model"] is None
    assert found["damaged_checkpoints"] == ["step-12", "step-4"]  # they have no files


def test_runs_of_several_seeds(tmp_path: Path) -> None:
    summary = {"best_seed": 4, "mean": {"eval_accuracy": 0.5}, "deviation": {"eval_accuracy": 0.1}}
    (tmp_path / "seeds.json").write_text(json.dumps(summary | {"scores": {}}), encoding="utf-8")
    (tmp_path / "model").mkdir()
    found = describe(tmp_path)
    assert (found["kind"], found["best_seed"], found["mean"]) == ("seeds", 4, {"eval_accuracy": 0.5})
    assert found["model"] == str(tmp_path / "model")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("recipe.yaml", b"a: [1"),
        ("recipe.yaml", b"word"),
        ("metrics.jsonl", b"{]\n"),
        ("metrics.jsonl", b'{"step": "\xff"}\n'),
        ("metrics.jsonl", b"7\n"),
    ],
)
def test_a_damaged_run(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / "recipe.yaml").write_text("train: {}\n", encoding="utf-8")
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError) as caught:
        describe(tmp_path)
    assert name in str(caught.value.where)


def test_what_is_not_known(tmp_path: Path, model: Path) -> None:
    with pytest.raises(InputError, match="no such directory"):
        describe(tmp_path / "nowhere")
    with pytest.raises(InputError, match="this is a file"):
        describe(model / "config.json")
    with pytest.raises(InputError, match="nothing Erya knows"):
        describe(tmp_path)
    (model / "model.safetensors").write_bytes(b"short")
    with pytest.raises(CheckpointError, match="cannot be read"):
        describe(model)


def test_the_command_prints_for_people_and_for_programs(vocabulary: Path) -> None:
    app = typer.Typer()
    info.register(app)
    app.callback()(lambda: None)
    runner = CliRunner()
    shown = runner.invoke(app, ["info", str(vocabulary)])
    assert shown.exit_code == 0 and "vocab size" in shown.stdout
    printed = runner.invoke(app, ["info", str(vocabulary), "--json"])
    assert json.loads(printed.stdout)["kind"] == "tokenizer"
