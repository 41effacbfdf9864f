"""A directory Erya saved, opened by the Auto classes of `transformers`, computes what Erya computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_models import assert_close, random_inputs
from torch import nn
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
)

import erya
from erya.checkpoints.info import ModelInfo
from erya.checkpoints.saving import save_model
from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
from erya.models.heads.sequence import SequenceClassifier
from erya.models.initialise import initialise
from erya.models.masked_lm import MaskedLanguageModel
from erya.nn.packing import PackedTensors
from erya.tokenizer.wordpiece import Tokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PIECES = [*SPECIAL, *"这家酒店很好差。，1", "hotel", "##s", "ok", "##2"]
TEXTS = ["这家酒店很好。", "Hotels ok，很差 12", "", "好" * 9]
SIZES = [
    pytest.param({"hidden_size": 30, "num_layers": 3, "num_heads": 5, "intermediate_size": 37}, id="tiny"),
    pytest.param({}, id="base", marks=pytest.mark.slow),
]


@pytest.fixture
def tokenizer(tmp_path: Path) -> Tokenizer:
    directory = tmp_path / "vocabulary"
    directory.mkdir()
    (directory / "vocab.txt").write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    return Tokenizer.open(directory)


def random_encoder(size: dict[str, Any], *, pooler: bool) -> Encoder:
    config = EncoderConfig(
        vocab_size=len(PIECES) + 2,  # rows that no piece uses
        max_positions=33,
        num_segments=3,
        activation="gelu_new",
        layer_norm_eps=1e-5,
        initializer_range=0.03,
        pad_id=0,
        **size,
    )
    return Encoder(config, pooler=pooler)


def randomise(module: nn.Module) -> None:
    initialise(module, initializer_range=0.03, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn(parameter.shape), alpha=0.03)
    module.eval()


def reopen(auto: type, directory: Path) -> PreTrainedModel:
    """Open with an Auto class; nothing may be missing, unexpected or misshapen."""
    model, told = auto.from_pretrained(directory, output_loading_info=True)
    assert not any(told[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")), told
    reopened: PreTrainedModel = model.eval()
    return reopened


@pytest.mark.parametrize("size", SIZES)
@torch.no_grad()
def test_encoder(tmp_path: Path, tokenizer: Tokenizer, size: dict[str, Any]) -> None:
    encoder = random_encoder(size, pooler=True)
    randomise(encoder)
    save_model(tmp_path / "m", module=encoder, tokenizer=tokenizer, info=ModelInfo(max_length=33))
    theirs = reopen(AutoModel, tmp_path / "m")
    inputs = random_inputs(theirs, num_sequences=4, num_columns=33, seed=2)
    expected = theirs(**inputs.keywords())
    hidden, pooled = encoder.padded(inputs.input_ids, inputs.attention_mask, inputs.token_type_ids)
    assert_close(hidden[inputs.kept], expected.last_hidden_state[inputs.kept])
    assert_close(pooled, expected.pooler_output)


@pytest.mark.parametrize("size", SIZES)
@torch.no_grad()
def test_masked_language_model(tmp_path: Path, tokenizer: Tokenizer, size: dict[str, Any]) -> None:
    model = MaskedLanguageModel(random_encoder(size, pooler=False))
    randomise(model)
    info = ModelInfo(task="masked_lm", max_length=20)
    save_model(tmp_path / "m", module=model, tokenizer=tokenizer, info=info)
    theirs = reopen(AutoModelForMaskedLM, tmp_path / "m")
    inputs = random_inputs(theirs, num_sequences=4, num_columns=20, seed=3)
    batch = PackedTensors.from_padded(inputs.input_ids, inputs.attention_mask, inputs.token_type_ids)
    batch.targets["masked_positions"] = torch.arange(0, len(batch.ids), 3)
    assert_close(model(batch), theirs(**inputs.keywords()).logits[inputs.kept][::3])


@pytest.mark.parametrize("size", SIZES)
@torch.no_grad()
def test_classifier(tmp_path: Path, tokenizer: Tokenizer, size: dict[str, Any]) -> None:
    model = SequenceClassifier(random_encoder(size, pooler=True), 3, dropout_prob=0.25)
    randomise(model)
    info = ModelInfo(task="classify", labels=("差", "中", "好"), max_length=20, classifier_dropout_prob=0.25)
    save_model(tmp_path / "m", module=model, tokenizer=tokenizer, info=info)
    theirs = reopen(AutoModelForSequenceClassification, tmp_path / "m")
    assert theirs.config.id2label == {0: "差", 1: "中", 2: "好"}
    assert theirs.config.classifier_dropout == 0.25
    inputs = random_inputs(theirs, num_sequences=4, num_columns=20, seed=4)
    batch = PackedTensors.from_padded(inputs.input_ids, inputs.attention_mask, inputs.token_type_ids)
    assert_close(model(batch), theirs(**inputs.keywords()).logits)


@torch.no_grad()
def test_text_to_label_is_the_same_on_both_sides(tmp_path: Path, tokenizer: Tokenizer) -> None:
    model = SequenceClassifier(random_encoder(SIZES[0].values[0], pooler=True), 2)
    randomise(model)
    info = ModelInfo(task="classify", labels=("差", "好"), max_length=20)
    save_model(tmp_path / "m", module=model, tokenizer=tokenizer, info=info)
    theirs = AutoTokenizer.from_pretrained(tmp_path / "m")
    padded = theirs(TEXTS, padding=True, return_tensors="pt")
    ours = erya.open_tokenizer(tmp_path / "m").encode_batch(TEXTS)
    kept = padded["attention_mask"].bool()
    assert [ids[keep].tolist() for ids, keep in zip(padded["input_ids"], kept, strict=True)] == [
        encoding.ids.tolist() for encoding in ours
    ]
    classify = reopen(AutoModelForSequenceClassification, tmp_path / "m")
    expected = classify(**padded).logits.softmax(dim=1)
    predictions = erya.load(tmp_path / "m").predict(TEXTS)
    scores = torch.tensor([[p.scores["差"], p.scores["好"]] for p in predictions])
    assert_close(scores, expected)


def test_a_directory_goes_there_and_back_unchanged(tmp_path: Path, tokenizer: Tokenizer) -> None:
    encoder = random_encoder(SIZES[0].values[0], pooler=True)
    randomise(encoder)
    save_model(tmp_path / "ours", module=encoder, tokenizer=tokenizer, info=ModelInfo(max_length=33))
    AutoModel.from_pretrained(tmp_path / "ours").save_pretrained(tmp_path / "theirs")
    again = erya.open_encoder(tmp_path / "theirs")
    assert again.config == encoder.config
    assert all(torch.equal(again.state_dict()[name], value) for name, value in encoder.state_dict().items())
