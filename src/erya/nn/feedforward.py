"""The position-wise feed-forward layers.

N tokens, H width, I inner width.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from erya.nn.activation import Activation
from erya.nn.stacked import StackedLinear


def _gelu_new(x: Tensor) -> Tensor:
    return functional.gelu(x, approximate="tanh")


ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "gelu": functional.gelu,
    "gelu_new": _gelu_new,
    "relu": torch.relu,
    "silu": functional.silu,
    "tanh": torch.tanh,
}


class FeedForward(nn.Module):
    """Widen, activate, narrow.

    Args:
        size: H.
        inner_size: I.
        activation: name of the non-linearity.
        bias: whether the layers have one.
    """

    def __init__(self, size: int, inner_size: int, *, activation: Activation, bias: bool = True) -> None:
        super().__init__()
        self.up = nn.Linear(size, inner_size, bias=bias)
        self.down = nn.Linear(inner_size, size, bias=bias)
        self.activation = ACTIVATIONS[activation]

    def forward(self, hidden: Tensor) -> Tensor:
        """Shape (N, H) in and out."""
        narrowed: Tensor = self.down(self.activation(self.up(hidden)))
        return narrowed


class GatedFeedForward(nn.Module):
    """Widen twice, activate the first, multiply by the second, narrow.

    Args:
        size: H.
        inner_size: I.
        activation: name of the non-linearity.
        bias: whether the layers have one.
    Source: Shazeer 2020, GLU Variants Improve Transformer.
    """

    def __init__(self, size: int, inner_size: int, *, activation: Activation, bias: bool = True) -> None:
        super().__init__()
        self.up = StackedLinear(size, 2 * inner_size, num_stacked=2, bias=bias)
        self.down = nn.Linear(inner_size, size, bias=bias)
        self.activation = ACTIVATIONS[activation]

    def forward(self, hidden: Tensor) -> Tensor:
        """Shape (N, H) in and out."""
        value, gate = self.up(hidden).chunk(2, dim=-1)
        narrowed: Tensor = self.down(self.activation(value) * gate)
        return narrowed
