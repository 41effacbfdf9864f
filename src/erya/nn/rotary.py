"""Rotary positions: queries and keys turned by angles that grow with the position.

N tokens, A heads, D width of a head.
Source: Su et al. 2021, RoFormer: Enhanced Transformer with Rotary Position Embedding.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class RotaryTurn(nn.Module):
    """Turns the heads of packed queries and keys.

    Args:
        head_size: D, even.
        max_positions: positions there are angles for.
        base: of the angles' geometric series.
        interleaved: whether the two numbers turned together stand side by side, instead of D / 2 apart.
        values: whether values are turned too.
    """

    def __init__(
        self,
        head_size: int,
        max_positions: int,
        *,
        base: float,
        interleaved: bool = False,
        values: bool = False,
    ) -> None:
        super().__init__()
        if head_size % 2:
            raise ValueError(f"rotary positions turn pairs: a head of {head_size} numbers is odd")
        self.base, self.interleaved, self.num_turned = base, interleaved, 3 if values else 2
        angles = rotary_angles(head_size, max_positions, base=base)
        # Derived, so no state: a checkpoint neither holds nor needs them.
        self.cos: Tensor
        self.sin: Tensor
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def forward(self, qkv: Tensor, positions: Tensor, *, num_heads: int) -> Tensor:
        """Turn queries and keys; computed in 32 bits.

        Args:
            qkv: queries, keys and values side by side, shape (N, 3 * A * D).
            positions: int64, shape (N,).
            num_heads: A.
        Returns:
            Shape and number format of `qkv`.
        """
        split = qkv.view(len(qkv), 3, num_heads, -1)
        cos, sin = (table.index_select(0, positions)[:, None, None] for table in (self.cos, self.sin))
        turned: Tensor = _Turn.apply(split, cos, sin, self.num_turned, self.interleaved)  # type: ignore[no-untyped-call]
        return turned.view_as(qkv)

    def extra_repr(self) -> str:
        return f"base={self.base}, interleaved={self.interleaved}"


class _Turn(torch.autograd.Function):
    """The gradient of a turn is the turn back, so nothing but the angles is kept."""

    @staticmethod
    def forward(
        ctx: Any, split: Tensor, cos: Tensor, sin: Tensor, num_turned: int, interleaved: bool
    ) -> Tensor:
        ctx.save_for_backward(cos, sin)
        ctx.options = num_turned, interleaved
        return _turned(split, cos, sin, num_turned, interleaved=interleaved)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None, None]:
        cos, sin = ctx.saved_tensors
        return _Turn.apply(grads[0], cos, -sin, *ctx.options), None, None, None, None  # type: ignore[no-untyped-call]


def _turned(split: Tensor, cos: Tensor, sin: Tensor, num_turned: int, *, interleaved: bool) -> Tensor:
    """Heads, shape (N, 3, A, D), the first `num_turned` of the three turned by angles (N, 1, 1, D / 2)."""
    out = split.clone(memory_format=torch.contiguous_format)
    given = split[:, :num_turned].float()
    turned = out[:, :num_turned] if out.dtype == torch.float32 else given.clone()
    if interleaved:
        # Pairs that stand side by side are complex numbers: one product, no strides.
        torch.view_as_complex(turned.view(*turned.shape[:-1], -1, 2)).mul_(torch.complex(cos, sin))
    else:
        (first, second), (to_first, to_second) = given.chunk(2, dim=-1), turned.chunk(2, dim=-1)
        to_first.mul_(cos).addcmul_(second, sin, value=-1.0)
        to_second.mul_(cos).addcmul_(first, sin)
    if turned.dtype != out.dtype:
        out[:, :num_turned] = turned
    return out


def rotary_angles(head_size: int, max_positions: int, *, base: float) -> Tensor:
    """By how much each pair of numbers is turned at each position, shape (max_positions, head_size / 2).

    Real numbers on the CPU even where parameters are made without values, on the device `meta`.
    """
    steps = torch.arange(0, head_size, 2, dtype=torch.float32, device="cpu")
    places = torch.arange(max_positions, dtype=torch.float32, device="cpu")
    return torch.outer(places, base ** -(steps / head_size))
