"""A NEZHA that Erya writes, masked-language head and all, read by Erya and by a plain padded one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from family_models import differ
from nezha_reference import NezhaReference
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from erya.checkpoints.directory import load_masked_language_model, read_model
from erya.checkpoints.info import ModelInfo
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


def write(directory: Path) -> Path:
    """Save a masked language model with random values everywhere."""
    module = MaskedLanguageModel(Encoder(CONFIG, pooler=False))
    noise = torch.Generator().manual_seed(1)
    initialise(module, initializer_range=0.2, generator=noise)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=noise), alpha=0.1)
    (directory / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n天\n", encoding="utf-8")
    info = ModelInfo(task="masked_lm", max_length=9)
    save_model(directory / "model", module=module, tokenizer=Tokenizer.open(directory), info=info)
    return directory / "model"


def logits_of(directory: Path, ids: Tensor, mask: Tensor, types: Tensor) -> Tensor:
    """What the plain one makes of the files, by the names in them, shape (kept tokens, vocabulary)."""
    stored = load_file(directory / "model.safetensors")
    plain = NezhaReference(json.loads((directory / "config.json").read_text(encoding="utf-8"))).eval()
    encoder = {name.removeprefix("nezha."): value for name, value in stored.items() if "cls." not in name}
    lost = plain.load_state_dict(encoder, strict=False)
    assert not lost.unexpected_keys and all("pooler" in name for name in lost.missing_keys)
    hidden = plain(ids, mask, types).last_hidden_state[mask.bool()]
    head, size = "cls.predictions.transform", (CONFIG.hidden_size,)
    hidden = functional.linear(hidden, stored[f"{head}.dense.weight"], stored[f"{head}.dense.bias"])
    hidden = functional.gelu(hidden, approximate="tanh")
    norm = stored[f"{head}.LayerNorm.weight"], stored[f"{head}.LayerNorm.bias"]
    hidden = functional.layer_norm(hidden, size, *norm, CONFIG.layer_norm_eps)
    return hidden @ encoder["embeddings.word_embeddings.weight"].T + stored["cls.predictions.bias"]


@pytest.mark.parametrize("prefix", ["nezha.", "bert."])
@torch.no_grad()
def test_what_erya_writes_is_read_by_both_alike(tmp_path: Path, prefix: str) -> None:
    """The first NEZHAs were saved with BERT's prefix, and with the table of sinusoids."""
    noise = torch.Generator().manual_seed(2)
    mask = (torch.rand(4, 19, generator=noise) < 0.6).long()
    mask[:, 0] = 1
    ids = torch.randint(0, 53, (4, 19), generator=noise)
    types = torch.randint(0, 3, (4, 19), generator=noise)
    directory = write(tmp_path)
    expected = logits_of(directory, ids, mask, types)
    path = directory / "model.safetensors"
    stored = {name.replace("nezha.", prefix): tensor for name, tensor in load_file(path).items()}
    table = f"{prefix}encoder.layer.0.attention.self.relative_positions_encoding.positions_encoding"
    save_file(stored | {table: torch.zeros(2)}, path)
    model = read_model(directory)
    assert model.encoder_config == CONFIG and not model.notes
    module = load_masked_language_model(model).eval()
    batch = module.encoder.pack(ids, mask, types)
    batch.targets["masked_positions"] = torch.arange(len(batch.ids))
    assert differ(module(batch), expected) <= 1e-5
