"""One vector a sequence.

N tokens, S sequences, H width.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from erya.nn.activation import Activation
from erya.nn.feedforward import ACTIVATIONS
from erya.nn.packing import PackedTensors

Pooling = Literal["first", "mean", "max"]


def pool_tokens(hidden: Tensor, batch: PackedTensors, *, pooling: Pooling) -> Tensor:
    """The first, the mean or the largest state of each sequence's tokens, shape (S, H).

    Args:
        hidden: shape (N, H).
        batch: where the sequences are.
        pooling: `max` takes the largest of each channel.
    """
    if pooling == "first":
        return hidden.index_select(0, batch.bounds[:-1].long())
    how = "mean" if pooling == "mean" else "amax"
    sequence = torch.repeat_interleave(torch.tensor(batch.lengths, device=hidden.device))
    pooled = hidden.new_zeros(len(batch.lengths), hidden.shape[1])
    index = sequence[:, None].expand_as(hidden)
    return pooled.scatter_reduce(0, index, hidden, reduce=how, include_self=False)


class Pooler(nn.Module):
    """A dense layer, an activation and perhaps a norm on one state a sequence.

    Args:
        size: H.
        activation: name of the non-linearity.
        bias: whether the dense layer has one.
        norm: what is done to the vector.
    Source: Devlin et al. 2019, BERT, section 3.1.
    """

    def __init__(
        self, size: int, *, activation: Activation = "tanh", bias: bool = True, norm: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.dense = nn.Linear(size, size, bias=bias)
        self.activation = ACTIVATIONS[activation]
        self.norm = norm if norm is not None else nn.Identity()

    def forward(self, states: Tensor) -> Tensor:
        """Shape (S, H) in and out."""
        vectors: Tensor = self.norm(self.activation(self.dense(states)))
        return vectors
