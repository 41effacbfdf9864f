"""Tiny model directories, written by hand and without a tokenizer unless a test adds one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import save_file
from tiny_models import PIECES, Classifier, WriteModel, randomise
from torch import Tensor, nn

from erya.checkpoints.huggingface import render_config
from erya.checkpoints.info import ModelInfo, write_json
from erya.checkpoints.saving import foreign_tensors
from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
from erya.models.masked_lm import MaskedLanguageModel


@pytest.fixture
def config() -> EncoderConfig:
    return EncoderConfig(
        vocab_size=17,
        hidden_size=12,
        num_layers=2,
        num_heads=3,
        intermediate_size=20,
        max_positions=19,
        num_segments=3,
        activation="relu",
        layer_norm_eps=1e-5,
        pad_id=1,
    )


@pytest.fixture
def encoder(config: EncoderConfig) -> Encoder:
    module = randomise(Encoder(config))
    assert isinstance(module, Encoder)
    return module


@pytest.fixture
def masked_model(config: EncoderConfig) -> MaskedLanguageModel:
    module = randomise(MaskedLanguageModel(Encoder(config, pooler=False)))
    assert isinstance(module, MaskedLanguageModel)
    return module


@pytest.fixture
def classifier(encoder: Encoder) -> Classifier:
    return Classifier(encoder, 2)


@pytest.fixture
def write_model(tmp_path: Path) -> WriteModel:
    """Write a Hugging Face directory of a module; keyword arguments change its config.json."""

    def write(module: nn.Module, *, tensors: dict[str, Tensor] | None = None, **options: object) -> Path:
        directory = tmp_path / "model"
        directory.mkdir(exist_ok=True)
        encoder = module if isinstance(module, Encoder) else module.get_submodule("encoder")
        assert isinstance(encoder, Encoder)
        task = {Encoder: None, MaskedLanguageModel: "masked_lm", Classifier: "classify"}[type(module)]
        labels = ("差", "好") if task == "classify" else None
        info = ModelInfo(task=task, labels=labels, max_length=encoder.config.max_positions)
        data = render_config(encoder.config, info) | options
        write_json(directory / "config.json", {k: v for k, v in data.items() if v is not ...})
        stored = foreign_tensors(module) if tensors is None else tensors
        save_file(stored, directory / "model.safetensors", metadata={"format": "pt"})
        return directory

    return write


@pytest.fixture
def write_vocabulary() -> Callable[[Path], None]:
    """Put a tiny Hugging Face BERT tokenizer into a directory."""

    def write(directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        (directory / "vocab.txt").write_text("\n".join(PIECES) + "\n", encoding="utf-8")
        options = {"tokenizer_class": "BertTokenizer", "do_lower_case": True}
        write_json(directory / "tokenizer_config.json", options)

    return write
