"""A convolution over the tokens of packed sequences.

N tokens, H width, K tokens of the kernel.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from erya.nn.activation import Activation
from erya.nn.dropout import Dropout
from erya.nn.feedforward import ACTIVATIONS
from erya.nn.layout import Layout


class TokenConvolution(nn.Module):
    """Adds to states a convolution of what they came from, and normalises the sum.

    What lies beyond the ends of a sequence, or in a gap between its positions, counts as zeros.

    Args:
        size: H.
        width: K, odd.
        groups: channels apart, a divisor of H.
        activation: name of the non-linearity.
        norm_eps: added to the variance.
        dropout_prob: of the convolution, in [0, 1).
    Source: He et al. 2021, DeBERTa, and its code, version 2.
    """

    def __init__(
        self,
        size: int,
        width: int,
        *,
        groups: int,
        activation: Activation,
        norm_eps: float,
        dropout_prob: float,
    ) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(size, size, width, groups=groups)
        self.norm = nn.LayerNorm(size, eps=norm_eps)
        self.dropout = Dropout(dropout_prob)
        self.activation = ACTIVATIONS[activation]

    def forward(self, source: Tensor, hidden: Tensor, layout: Layout) -> Tensor:
        """From what is convolved and the states it is added to, both of shape (N, H), to (N, H).

        Raises:
            ValueError: some tokens must not see what is right of them.
        """
        if layout.parts is not None:
            raise ValueError(
                "a convolution over tokens shows each its right neighbours: this encoder takes no prefixes;"
                " train it with attention in both directions, or leave the convolution out"
            )
        (width,) = self.convolution.kernel_size
        neighbours = neighbour_rows(layout, len(source), width)
        seen = functional.pad(source, (0, 0, 0, 1)).index_select(0, neighbours.view(-1))
        windows = seen.view(*neighbours.shape, -1).transpose(1, 2)
        convolved = self.activation(self.dropout(self.convolution(windows).squeeze(-1)))
        normed: Tensor = self.norm(hidden + convolved)
        return normed


def neighbour_rows(layout: Layout, num_rows: int, width: int) -> Tensor:
    """For each row those of the tokens around it, int64, shape (num_rows, width); num_rows where is none.

    A neighbour at a distance stands so many positions away in the same sequence; because of gaps its row
    may be nearer.
    """
    device, half = layout.positions.device, width // 2
    rows = torch.arange(num_rows, device=device)
    sequence = torch.bucketize(rows, layout.bounds.long(), right=True)
    around = rows.new_full((num_rows, width), num_rows)
    for place in range(-half, half + 1):
        for step in range(abs(place) + 1):
            other = (rows + (step if place >= 0 else -step)).clamp(0, num_rows - 1)
            there = layout.positions[other] == layout.positions + place
            there &= sequence[other] == sequence
            around[:, place + half] = torch.where(there, other, around[:, place + half])
    return around
