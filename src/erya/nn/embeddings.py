"""Token, position and segment embeddings.

N tokens, H width, V vocabulary size.
"""

from __future__ import annotations

from torch import Tensor, nn

from erya.nn.dropout import Dropout
from erya.nn.packing import PackedTensors


class Embeddings(nn.Module):
    """The sum of a token's embedding, its position's and its segment's, normalised.

    Args:
        vocab_size: V.
        size: H.
        max_positions: longest sequence.
        num_segments: kinds of segment.
        norm_eps: added to the variance.
        dropout_prob: in [0, 1).
    Source: Devlin et al. 2019, BERT, figure 2.
    """

    def __init__(
        self,
        vocab_size: int,
        size: int,
        *,
        max_positions: int,
        num_segments: int,
        norm_eps: float,
        dropout_prob: float,
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(vocab_size, size)
        self.positions = nn.Embedding(max_positions, size)
        self.segments = nn.Embedding(num_segments, size)
        self.norm = nn.LayerNorm(size, eps=norm_eps)
        self.dropout = Dropout(dropout_prob)

    def forward(self, batch: PackedTensors) -> Tensor:
        """Shape (N, H)."""
        summed = self.words(batch.ids) + self.segments(batch.type_ids) + self.positions(batch.positions)
        embedded: Tensor = self.dropout(self.norm(summed))
        return embedded
