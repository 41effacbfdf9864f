"""Random Hugging Face BERTs with every option off its default, and random inputs with random masks.

S sequences, L columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import BertConfig, PreTrainedModel

TINY: dict[str, Any] = {
    "vocab_size": 53,
    "hidden_size": 30,
    "num_hidden_layers": 3,
    "num_attention_heads": 5,
    "intermediate_size": 37,
    "max_position_embeddings": 41,
}
# At this width larger weights saturate the pooler, and two float32 kernels of `transformers` differ from
# float64, and from each other, by more than 1e-5.
BASE: dict[str, Any] = {"vocab_size": 21128, "max_position_embeddings": 320, "initializer_range": 0.03}
OFF_DEFAULT: dict[str, Any] = {
    "hidden_act": "gelu_new",
    "hidden_dropout_prob": 0.2,
    "attention_probs_dropout_prob": 0.3,
    "type_vocab_size": 3,
    "layer_norm_eps": 1e-5,
    "initializer_range": 0.07,
    "pad_token_id": 3,
    "classifier_dropout": 0.4,
    "id2label": {0: "差", 1: "中", 2: "好", 3: "很好"},
    "label2id": {"差": 0, "中": 1, "好": 2, "很好": 3},
}


@dataclass(frozen=True)
class Inputs:
    """A padded batch: ids, mask and segments, shape (S, L) each. The mask keeps scattered columns."""

    input_ids: Tensor
    attention_mask: Tensor
    token_type_ids: Tensor

    @property
    def kept(self) -> Tensor:
        return self.attention_mask.bool()

    def keywords(self) -> dict[str, Tensor]:
        return {
            "input_ids": self.input_ids,
            "attention_mask": self.attention_mask,
            "token_type_ids": self.token_type_ids,
        }


def save_random(
    kind: type[PreTrainedModel], directory: Path, *, seed: int, **options: Any
) -> PreTrainedModel:
    """A model with random values in every parameter, saved by `transformers` and ready for inference."""
    torch.manual_seed(seed)
    model = kind(BertConfig(**options)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=model.config.initializer_range)
    model.save_pretrained(directory)
    return model


def random_inputs(model: PreTrainedModel, *, num_sequences: int, num_columns: int, seed: int) -> Inputs:
    """Random ids and segments; each row keeps its first column and a random half of the others."""
    generator = torch.Generator().manual_seed(seed)
    shape = (num_sequences, num_columns)
    keep = torch.rand(shape, generator=generator) < 0.5
    keep[:, 0] = True
    return Inputs(
        torch.randint(0, model.config.vocab_size, shape, generator=generator),
        keep.long(),
        torch.randint(0, model.config.type_vocab_size, shape, generator=generator),
    )


def assert_close(ours: Tensor, theirs: Tensor) -> None:
    """Within 1e-5 of the largest absolute value."""
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype == torch.float32
    error = float((ours - theirs).abs().max() / theirs.abs().max())
    assert error <= 1e-5, f"relative error {error:.2e}"
