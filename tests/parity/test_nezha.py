"""NEZHA, which `transformers` has no longer, against a plain padded one that reads the directory itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from family_models import differ
from nezha_reference import PlainNezha
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import erya
from erya.checkpoints.directory import load_masked_language_model, read_model
from erya.checkpoints.info import ModelInfo, TaskName
from erya.checkpoints.saving import save_model
from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
from erya.models.initialise import initialise
from erya.models.masked_lm import MaskedLanguageModel
from erya.models.positions import Relative
from erya.tokenizer.wordpiece import Tokenizer

CONFIG = EncoderConfig(
    family="nezha",
    vocab_size=53,
    hidden_size=30,
    num_layers=3,
    num_heads=5,
    intermediate_size=37,
    max_positions=41,
    num_segments=3,
    activation="gelu_new",
    layer_norm_eps=1e-5,
    pad_id=3,
    positions=Relative(max_distance=5),
)


def write(directory: Path, module: nn.Module, task: TaskName | None) -> PlainNezha:
    """Save it with random values everywhere; what a plain one makes of the files."""
    noise = torch.Generator().manual_seed(1)
    initialise(module, initializer_range=0.2, generator=noise)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=noise), alpha=0.1)
    (directory / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n天\n", encoding="utf-8")
    info = ModelInfo(task=task, max_length=9)
    tokenizer = Tokenizer.open(directory)
    save_model(directory / "model", module=module, tokenizer=tokenizer, info=info)
    config = json.loads((directory / "model" / "config.json").read_text(encoding="utf-8"))
    return PlainNezha(config, load_file(directory / "model" / "model.safetensors"))


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    """Ids, a mask with holes that keeps every first column, segments; longer than distances are told apart."""
    noise = torch.Generator().manual_seed(2)
    mask = (torch.rand(4, 19, generator=noise) < 0.6).long()
    mask[:, 0] = 1
    return torch.randint(0, 53, (4, 19), generator=noise), mask, torch.randint(0, 3, (4, 19), generator=noise)


@torch.no_grad()
def test_states_and_pooled_vectors(tmp_path: Path) -> None:
    plain = write(tmp_path, Encoder(CONFIG), None)
    ids, mask, types = inputs()
    expected = plain.states(ids, mask, types)
    encoder = erya.open_encoder(tmp_path / "model")
    assert encoder.config == CONFIG
    hidden, pooled = encoder.padded(ids, mask, types)
    assert differ(hidden[mask.bool()], expected[mask.bool()]) <= 1e-5
    assert pooled is not None and differ(pooled, plain.pooled(expected)) <= 1e-5


@pytest.mark.parametrize("prefix", ["nezha.", "bert."])
@torch.no_grad()
def test_masked_logits_under_either_prefix(tmp_path: Path, prefix: str) -> None:
    """The first NEZHAs were saved with BERT's prefix, and with the table of sinusoids."""
    plain = write(tmp_path, MaskedLanguageModel(Encoder(CONFIG, pooler=False)), "masked_lm")
    path = tmp_path / "model" / "model.safetensors"
    stored = {name.replace("nezha.", prefix): tensor for name, tensor in load_file(path).items()}
    layer = f"{prefix}encoder.layer.0.attention.self.relative_positions_encoding.positions_encoding"
    save_file(stored | {layer: torch.zeros(2)}, path)
    ids, mask, types = inputs()
    expected = plain.masked_logits(plain.states(ids, mask, types))[mask.bool()]
    model = read_model(tmp_path / "model")
    assert model.encoder_config.family == "nezha" and not model.notes
    module = load_masked_language_model(model).eval()
    batch = module.encoder.pack(ids, mask, types)
    batch.targets["masked_positions"] = torch.arange(len(batch.ids))
    assert differ(module(batch), expected) <= 1e-5
