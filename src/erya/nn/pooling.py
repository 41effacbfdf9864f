"""One vector a sequence.

S sequences, H width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FirstTokenPooler(nn.Module):
    """A dense layer and tanh on each sequence's first token.

    Source: Devlin et al. 2019, BERT, section 3.1.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.dense = nn.Linear(size, size)

    def forward(self, first: Tensor) -> Tensor:
        """From the states of first tokens, shape (S, H), to vectors, shape (S, H)."""
        return torch.tanh(self.dense(first))
