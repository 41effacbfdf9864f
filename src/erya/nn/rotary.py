"""Rotary positions: queries and keys turned by angles that grow with the position.

N tokens, A heads, D width of a head.
Source: Su et al. 2021, RoFormer: Enhanced Transformer with Rotary Position Embedding.
"""

from __future__ import annotations

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
        first, second = self._halves(split[:, : self.num_turned].float())
        turned = (first * cos - second * sin, second * cos + first * sin)
        joined = torch.stack(turned, dim=-1).flatten(-2) if self.interleaved else torch.cat(turned, dim=-1)
        return torch.cat([joined.to(qkv.dtype), split[:, self.num_turned :]], dim=1).view_as(qkv)

    def _halves(self, heads: Tensor) -> tuple[Tensor, Tensor]:
        if self.interleaved:
            return heads[..., 0::2], heads[..., 1::2]
        first, second = heads.chunk(2, dim=-1)
        return first, second

    def extra_repr(self) -> str:
        return f"base={self.base}, interleaved={self.interleaved}"


def rotary_angles(head_size: int, max_positions: int, *, base: float) -> Tensor:
    """By how much each pair of numbers is turned at each position, shape (max_positions, head_size / 2).

    Real numbers on the CPU even where parameters are made without values, on the device `meta`.
    """
    steps = torch.arange(0, head_size, 2, dtype=torch.float32, device="cpu")
    places = torch.arange(max_positions, dtype=torch.float32, device="cpu")
    return torch.outer(places, base ** -(steps / head_size))
