"""The position-wise feed-forward layer.

N tokens, H width, I inner width.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from erya.nn.activation import Activation


def _gelu_new(x: Tensor) -> Tensor:
    return functional.gelu(x, approximate="tanh")


ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "gelu": functional.gelu,
    "gelu_new": _gelu_new,
    "relu": torch.relu,
}


class FeedForward(nn.Module):
    """Widen, activate, narrow.

    Args:
        size: H.
        inner_size: I.
        activation: name of the non-linearity.
    """

    def __init__(self, size: int, inner_size: int, *, activation: Activation) -> None:
        super().__init__()
        self.up = nn.Linear(size, inner_size)
        self.down = nn.Linear(inner_size, size)
        self.activation = ACTIVATIONS[activation]

    def forward(self, hidden: Tensor) -> Tensor:
        """Shape (N, H) in and out."""
        narrowed: Tensor = self.down(self.activation(self.up(hidden)))
        return narrowed
