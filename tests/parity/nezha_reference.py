"""NEZHA as its paper has it, plain and padded, for want of one in `transformers`. Nothing of Erya is used.

S sequences, L columns, A heads, D width of a head, H width.
Source: Wei et al. 2019, NEZHA: Neural Contextualized Representation for Chinese Language Understanding.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers.activations import ACT2FN
from transformers.modeling_outputs import BaseModelOutputWithPooling


class NezhaReference(nn.Module):
    """An encoder and a pooler, with the names its checkpoints have.

    Args:
        options: the entries of `config.json`.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        super().__init__()
        self.config = {"model_type": "nezha", "max_relative_position": 64} | options
        width, eps = self.config["hidden_size"], self.config.get("layer_norm_eps", 1e-12)
        dropout = self.config.get("hidden_dropout_prob", 0.1)
        self.embeddings = nn.ModuleDict(
            {
                "word_embeddings": nn.Embedding(self.config["vocab_size"], width),
                "token_type_embeddings": nn.Embedding(self.config.get("type_vocab_size", 2), width),
                "LayerNorm": nn.LayerNorm(width, eps=eps),
                "dropout": nn.Dropout(dropout),
            }
        )
        layers = [_Layer(self.config, eps, dropout) for _ in range(self.config["num_hidden_layers"])]
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(layers)})
        self.pooler = nn.ModuleDict({"dense": nn.Linear(width, width)})

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        token_type_ids: Tensor | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> BaseModelOutputWithPooling:
        """Shapes (S, L); states come as (S, L, H)."""
        types = torch.zeros_like(input_ids) if token_type_ids is None else token_type_ids
        parts = self.embeddings
        summed = parts["word_embeddings"](input_ids) + parts["token_type_embeddings"](types)
        hidden = parts["dropout"](parts["LayerNorm"](summed))
        bias = torch.zeros(attention_mask.shape).masked_fill(attention_mask == 0, float("-inf"))
        states, attentions = [hidden], []
        for layer in self.encoder["layer"]:
            hidden, probs = layer(hidden, bias[:, None, None])
            states.append(hidden)
            attentions.append(probs)
        return BaseModelOutputWithPooling(
            last_hidden_state=hidden,
            pooler_output=torch.tanh(self.pooler["dense"](hidden[:, 0])),
            hidden_states=tuple(states) if output_hidden_states else None,
            attentions=tuple(attentions) if output_attentions else None,
        )

    def save_pretrained(self, directory: str | Path) -> None:
        """Write `config.json` and `model.safetensors`."""
        path = Path(directory)
        (path / "config.json").write_text(json.dumps(self.config), encoding="utf-8")
        save_file(self.state_dict(), path / "model.safetensors", metadata={"format": "pt"})


class _Layer(nn.Module):
    def __init__(self, config: dict[str, Any], eps: float, dropout: float) -> None:
        super().__init__()
        width, inner = config["hidden_size"], config["intermediate_size"]
        self.num_heads, self.max_distance = config["num_attention_heads"], config["max_relative_position"]
        names = ("query", "key", "value")
        self.attention = nn.ModuleDict(
            {
                "self": nn.ModuleDict({name: nn.Linear(width, width) for name in names}),
                "output": nn.ModuleDict(
                    {"dense": nn.Linear(width, width), "LayerNorm": nn.LayerNorm(width, eps=eps)}
                ),
            }
        )
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(width, inner)})
        self.output = nn.ModuleDict(
            {"dense": nn.Linear(inner, width), "LayerNorm": nn.LayerNorm(width, eps=eps)}
        )
        self.dropout = nn.Dropout(dropout)
        self.probs_dropout = nn.Dropout(config.get("attention_probs_dropout_prob", 0.1))
        self.activation = ACT2FN[config.get("hidden_act", "gelu")]

    def forward(self, hidden: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        attended, probs = self._attend(hidden, bias)
        part = self.attention["output"]
        middle = part["LayerNorm"](hidden + self.dropout(part["dense"](attended)))
        inner = self.activation(self.intermediate["dense"](middle))
        out = self.output["LayerNorm"](middle + self.dropout(self.output["dense"](inner)))
        return out, probs

    def _attend(self, hidden: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Equations 3 to 5: a_ij is added to each key and to each value."""
        size, length, width = hidden.shape
        query, key, value = (
            self.attention["self"][name](hidden).view(size, length, self.num_heads, -1).transpose(1, 2)
            for name in ("query", "key", "value")
        )
        head = width // self.num_heads
        table = _relative(length, head, self.max_distance)
        scores = query @ key.mT + torch.einsum("sald,lmd->salm", query, table)
        probs = torch.softmax(scores / math.sqrt(head) + bias, dim=-1)
        kept = self.probs_dropout(probs)
        out = kept @ value + torch.einsum("salm,lmd->sald", kept, table)
        return out.transpose(1, 2).reshape(size, length, width), probs


def _relative(length: int, size: int, max_distance: int) -> Tensor:
    """a_ij of equations 6 and 7, shape (L, L, D): sinusoids of the clipped distance j - i."""
    table = torch.zeros(length, length, size)
    places = torch.arange(length)
    # Counted from the farthest key behind, as its code does.
    distance = (places[None] - places[:, None]).clamp(-max_distance, max_distance) + max_distance
    for channel in range(size):
        rate = 10_000 ** (2 * (channel // 2) / size)
        angle = distance.float() / rate
        table[:, :, channel] = angle.sin() if channel % 2 == 0 else angle.cos()
    return table
