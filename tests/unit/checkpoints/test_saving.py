"""Saving a model directory: whole or not at all, and only what fits together."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError, safe_open
from tiny_models import Classifier

from erya.checkpoints import saving
from erya.checkpoints.directory import read_model, require_vocabulary_fits
from erya.checkpoints.info import ModelInfo
from erya.checkpoints.saving import save_model
from erya.errors import CheckpointError, StorageError
from erya.models.encoder import Encoder
from erya.models.masked_lm import MaskedLanguageModel
from erya.tokenizer.wordpiece import Tokenizer


@pytest.fixture
def tokenizer(tmp_path: Path, write_vocabulary: Callable[[Path], None]) -> Tokenizer:
    write_vocabulary(tmp_path / "vocabulary")
    return Tokenizer.open(tmp_path / "vocabulary")


def test_a_saved_directory_says_what_it_is(tmp_path: Path, encoder: Encoder, tokenizer: Tokenizer) -> None:
    info = ModelInfo(max_length=16, provenance={"recipe": "基础", "seed": 3})
    save_model(tmp_path / "model", module=encoder, tokenizer=tokenizer, info=info)
    model = read_model(tmp_path / "model")
    assert model.info == info and model.encoder_config == encoder.config and model.has_pooler
    assert model.tokenizer.hash == tokenizer.hash
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert names >= {"config.json", "erya.json", "model.safetensors", "vocab.txt", "tokenizer.json"}
    assert not [path for path in tmp_path.iterdir() if ".partial" in path.name or ".old" in path.name]


def test_fused_tensors_are_stored_split_and_marked_for_torch(
    tmp_path: Path, masked_model: MaskedLanguageModel, tokenizer: Tokenizer
) -> None:
    info = ModelInfo(task="masked_lm", max_length=16)
    save_model(tmp_path / "model", module=masked_model, tokenizer=tokenizer, info=info)
    with safe_open(tmp_path / "model" / "model.safetensors", framework="pt") as stored:
        assert stored.metadata() == {"format": "pt"}
        assert "cls.predictions.decoder.weight" not in stored.keys()  # noqa: SIM118 - not a mapping
        value = stored.get_tensor("bert.encoder.layer.1.attention.self.value.weight")
    fused = masked_model.state_dict()["encoder.blocks.1.attention.qkv.weight"]
    assert torch.equal(value, fused[24:36])


def test_an_existing_directory_is_replaced_only_on_request(
    tmp_path: Path, encoder: Encoder, tokenizer: Tokenizer
) -> None:
    def save(length: int, *, replace: bool) -> None:
        info = ModelInfo(max_length=length)
        save_model(tmp_path / "m", module=encoder, tokenizer=tokenizer, info=info, replace=replace)

    save(10, replace=False)
    with pytest.raises(StorageError, match="exists"):
        save(11, replace=False)
    assert read_model(tmp_path / "m").info.max_length == 10
    save(12, replace=True)
    assert read_model(tmp_path / "m").info.max_length == 12


@pytest.mark.parametrize(
    "error",
    [
        SafetensorError("I/O error: No space left on device (os error 28)"),
        OSError(errno.ENOSPC, "No space left on device"),
    ],
)
def test_a_full_disk_leaves_what_was_there(
    tmp_path: Path,
    encoder: Encoder,
    tokenizer: Tokenizer,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    info = ModelInfo(max_length=10)
    save_model(tmp_path / "m", module=encoder, tokenizer=tokenizer, info=info)

    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(saving, "save_file", refuse)
    with pytest.raises(StorageError, match="disk is full"):
        save_model(tmp_path / "m", module=encoder, tokenizer=tokenizer, info=info, replace=True)
    assert read_model(tmp_path / "m").info == info
    assert {path.name for path in tmp_path.iterdir()} == {"m", "vocabulary"}


@pytest.mark.parametrize(
    ("info", "words"),
    [
        (ModelInfo(max_length=20), "positions"),
        (ModelInfo(max_length=9), "classifier has 2"),
        (ModelInfo(task="classify", labels=("a", "b", "c"), max_length=9), "classifier has 2"),
    ],
)
def test_what_does_not_fit_is_not_saved(
    tmp_path: Path, classifier: Classifier, tokenizer: Tokenizer, info: ModelInfo, words: str
) -> None:
    with pytest.raises(CheckpointError, match=words):
        save_model(tmp_path / "m", module=classifier, tokenizer=tokenizer, info=info)
    assert not (tmp_path / "m").exists()


def test_a_head_is_not_saved_as_another_tasks(
    tmp_path: Path, masked_model: MaskedLanguageModel, tokenizer: Tokenizer
) -> None:
    with pytest.raises(CheckpointError, match="the task is None"):
        save_model(tmp_path / "m", module=masked_model, tokenizer=tokenizer, info=ModelInfo(max_length=9))


def test_a_vocabulary_larger_than_the_embedding_is_refused(
    tmp_path: Path, encoder: Encoder, tokenizer: Tokenizer, write_vocabulary: Callable[[Path], None]
) -> None:
    require_vocabulary_fits(tokenizer, encoder.config, where="here")
    small = encoder.config.model_copy(update={"vocab_size": 14})
    with pytest.raises(CheckpointError, match="15 pieces, the embedding only 14 rows"):
        require_vocabulary_fits(tokenizer, small, where="here")
    with pytest.raises(CheckpointError, match="15 pieces"):
        save_model(tmp_path / "m", module=Encoder(small), tokenizer=tokenizer, info=ModelInfo(max_length=9))
    save_model(tmp_path / "m", module=encoder, tokenizer=tokenizer, info=ModelInfo(max_length=9))
    grown = (tmp_path / "vocabulary" / "vocab.txt").read_text(encoding="utf-8") + "一\n二\n三\n"
    (tmp_path / "m" / "vocab.txt").write_text(grown, encoding="utf-8")
    (tmp_path / "m" / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match="18 pieces, the embedding only 17 rows"):
        _ = read_model(tmp_path / "m").tokenizer
