"""The Python twins of the commands open what they say, and say what they cannot open."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

import erya
from erya.checkpoints.info import ModelInfo
from erya.checkpoints.saving import save_model
from erya.errors import CheckpointError, InputError
from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
from erya.models.masked_lm import MaskedLanguageModel
from erya.tokenizer.wordpiece import Tokenizer

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "好", "差"]
CONFIG = EncoderConfig(
    vocab_size=7, hidden_size=8, num_layers=1, num_heads=2, intermediate_size=9, max_positions=11
)


@pytest.fixture
def tokenizer(tmp_path: Path) -> Tokenizer:
    directory = tmp_path / "vocabulary"
    directory.mkdir()
    (directory / "vocab.txt").write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    return erya.open_tokenizer(directory)


def test_an_encoder_opens_for_inference_from_a_string_too(tmp_path: Path, tokenizer: Tokenizer) -> None:
    info = ModelInfo(max_length=11)
    save_model(tmp_path / "m", module=Encoder(CONFIG), tokenizer=tokenizer, info=info)
    encoder = erya.open_encoder(str(tmp_path / "m"))
    hidden, pooled = encoder.padded(torch.tensor([[2, 5, 3]]), torch.ones(1, 3))
    assert not encoder.training
    assert hidden.shape == (1, 3, 8) and pooled.shape == (1, 8)


def test_an_encoder_opens_for_longer_sequences(tmp_path: Path, tokenizer: Tokenizer) -> None:
    save_model(tmp_path / "m", module=Encoder(CONFIG), tokenizer=tokenizer, info=ModelInfo(max_length=11))
    usual = erya.open_encoder(tmp_path / "m", max_positions=CONFIG.max_positions)
    longer = erya.open_encoder(tmp_path / "m", max_positions=3 * CONFIG.max_positions)
    assert usual.config == erya.open_encoder(tmp_path / "m").config
    ids = torch.full((1, 3 * CONFIG.max_positions), 5)
    assert longer.padded(ids, torch.ones_like(ids))[0].isfinite().all() and not longer.training
    with pytest.raises(ValueError, match="takes at most"):
        usual.padded(ids, torch.ones_like(ids))


def test_a_directory_without_a_pooler_says_so(
    tmp_path: Path, tokenizer: Tokenizer, caplog: pytest.LogCaptureFixture
) -> None:
    model = MaskedLanguageModel(Encoder(CONFIG, pooler=False))
    info = ModelInfo(task="masked_lm", max_length=11)
    save_model(tmp_path / "m", module=model, tokenizer=tokenizer, info=info)
    with caplog.at_level(logging.WARNING):
        encoder = erya.open_encoder(tmp_path / "m")
    assert encoder.pooler is None and "no pooler" in caplog.text
    with pytest.raises(InputError, match=r"no \[MASK\] to fill") as caught:
        erya.load(tmp_path / "m").predict(["中国"])
    assert "finetune" in str(caught.value.hint)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    for opener in (erya.open_encoder, erya.load):
        with pytest.raises(CheckpointError, match="no such directory"):
            opener(tmp_path / "nowhere")
    with pytest.raises(InputError):
        erya.open_tokenizer(tmp_path / "nowhere")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = erya.nothing
