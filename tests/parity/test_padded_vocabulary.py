"""Rows that are no piece's are saved and opened, here and in `transformers`, and never predicted."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

from erya.checkpoints.directory import load_masked_language_model, read_model
from erya.checkpoints.info import ModelInfo
from erya.checkpoints.saving import save_model
from erya.models.config import EncoderConfig, PoolerConfig
from erya.models.encoder import Encoder
from erya.models.initialise import initialise
from erya.models.masked_lm import MaskedLanguageModel, padded_rows, silence_rows
from erya.models.positions import Rotary
from erya.tokenizer.wordpiece import Tokenizer

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"这家酒店很好差"]
FAMILIES = {
    "bert": {},
    "modernbert": {
        "family": "modernbert", "pre_norm": True, "gated": True, "positions": Rotary(), "num_segments": 0,
        "norm_bias": False, "feedforward_bias": False, "attention_bias": False, "head_bias": False,
        "head_activation": "gelu", "dense_token_heads": True,
        "pooler": PoolerConfig(activation="gelu", bias=False, norm=True),
    },
}  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_rows_without_a_piece(tmp_path: Path, family: str) -> None:
    (tmp_path / "vocab.txt").write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    tokenizer = Tokenizer.open(tmp_path)
    config = EncoderConfig(
        vocab_size=padded_rows(len(PIECES)), hidden_size=32, num_layers=2, num_heads=4, intermediate_size=48,
        max_positions=20, **FAMILIES[family],
    )  # fmt: skip
    model = MaskedLanguageModel(Encoder(config, pooler=False)).eval()
    initialise(model, initializer_range=0.2, generator=torch.Generator().manual_seed(0))
    silence_rows(model, len(PIECES))
    save_model(
        tmp_path / "model", module=model, tokenizer=tokenizer, info=ModelInfo(task="masked_lm", max_length=20)
    )
    again = load_masked_language_model(read_model(tmp_path / "model"))
    assert torch.equal(again.head.bias, model.head.bias)
    assert torch.equal(again.encoder.embeddings.words.weight, model.encoder.embeddings.words.weight)
    foreign = AutoModelForMaskedLM.from_pretrained(tmp_path / "model").eval()
    given = AutoTokenizer.from_pretrained(tmp_path / "model")("这家酒店[MASK]好", return_tensors="pt")
    logits = foreign(**given).logits[0]
    assert logits.shape[1] == 64
    assert float(logits.softmax(dim=-1)[:, len(PIECES) :].max()) == 0.0
