"""A plain padded NEZHA, written from its paper and from the names in its files; for tests alone.

S sequences, L longest length, H width, A heads, D width of a head.
Source: Wei et al. 2019, NEZHA: Neural Contextualized Representation for Chinese Language Understanding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


class PlainNezha:
    """States, pooled vectors and masked-language logits.

    Args:
        config: the contents of `config.json`.
        tensors: of a masked language model or an encoder with a pooler, by the names in the file.
    """

    def __init__(self, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        self.config = config
        self.tensors = {name.removeprefix("nezha."): tensor for name, tensor in tensors.items()}

    def states(self, ids: Tensor, mask: Tensor, types: Tensor) -> Tensor:
        """Shape (S, L, H)."""
        hidden = self.tensors["embeddings.word_embeddings.weight"][ids]
        hidden = hidden + self.tensors["embeddings.token_type_embeddings.weight"][types]
        hidden = self._norm("embeddings.LayerNorm", hidden)
        distances = self._distances(ids.shape[1])
        for index in range(self.config["num_hidden_layers"]):
            layer = f"encoder.layer.{index}"
            attended = self._attend(f"{layer}.attention.self", hidden, mask, distances)
            attended = self._dense(f"{layer}.attention.output.dense", attended)
            hidden = self._norm(f"{layer}.attention.output.LayerNorm", hidden + attended)
            inner = self._act(self._dense(f"{layer}.intermediate.dense", hidden))
            widened = self._dense(f"{layer}.output.dense", inner)
            hidden = self._norm(f"{layer}.output.LayerNorm", hidden + widened)
        return hidden

    def pooled(self, states: Tensor) -> Tensor:
        """Shape (S, H)."""
        return torch.tanh(self._dense("pooler.dense", states[:, 0]))

    def masked_logits(self, states: Tensor) -> Tensor:
        """Shape (S, L, vocabulary)."""
        head = "cls.predictions.transform"
        states = self._norm(f"{head}.LayerNorm", self._act(self._dense(f"{head}.dense", states)))
        words = self.tensors["embeddings.word_embeddings.weight"]
        return states @ words.T + self.tensors["cls.predictions.bias"]

    def _distances(self, length: int) -> Tensor:
        """a_ij of the paper's equations 3 to 5, shape (L, L, D): number by number, slowly."""
        size = self.config["hidden_size"] // self.config["num_attention_heads"]
        longest = self.config["max_relative_position"]
        table = torch.zeros(length, length, size)
        for query in range(length):
            for key in range(length):
                place = min(max(key - query, -longest), longest) + longest
                for channel in range(size):
                    angle = place / 10000 ** ((channel - channel % 2) / size)
                    table[query, key, channel] = math.cos(angle) if channel % 2 else math.sin(angle)
        return table

    def _attend(self, name: str, hidden: Tensor, mask: Tensor, distances: Tensor) -> Tensor:
        heads = self.config["num_attention_heads"]
        query, key, value = (
            self._dense(f"{name}.{part}", hidden).unflatten(-1, (heads, -1)).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        met = torch.einsum("saqd,sakd->saqk", query, key) + torch.einsum("saqd,qkd->saqk", query, distances)
        met = met / math.sqrt(query.shape[-1]) + (1 - mask[:, None, None].float()) * -1e30
        probs = met.softmax(dim=-1)
        out = torch.einsum("saqk,sakd->saqd", probs, value) + torch.einsum("saqk,qkd->saqd", probs, distances)
        return out.transpose(1, 2).flatten(2)

    def _act(self, states: Tensor) -> Tensor:
        return functional.gelu(
            states, approximate="tanh" if self.config["hidden_act"] == "gelu_new" else "none"
        )

    def _dense(self, name: str, states: Tensor) -> Tensor:
        return states @ self.tensors[f"{name}.weight"].T + self.tensors[f"{name}.bias"]

    def _norm(self, name: str, states: Tensor) -> Tensor:
        size = (states.shape[-1],)
        eps = self.config["layer_norm_eps"]
        return functional.layer_norm(
            states, size, self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"], eps
        )
