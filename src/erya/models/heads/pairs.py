"""Spans that may nest and overlap: an encoder, dropout and a scorer of pairs of tokens.

N tokens, H width, T types, D width of a head.
"""

from __future__ import annotations

from torch import Tensor, nn

from erya.models.encoder import Encoder
from erya.nn.dropout import Dropout
from erya.nn.packing import PackedTensors
from erya.nn.span_pairs import SpanPairScorer


class SpanPairModel(nn.Module):
    """What each token has to say as the first and as the last of a span of each type.

    Args:
        encoder: the encoder; its pooler, if it has one, is not used.
        num_types: T.
        head_size: D, even.
        dropout_prob: before the scorer, in [0, 1); None is the encoder's.
    Source: Su et al. 2022, Global Pointer: Novel Efficient Span-based Approach for Named Entity Recognition.
    """

    def __init__(
        self, encoder: Encoder, num_types: int, *, head_size: int = 64, dropout_prob: float | None = None
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = Dropout(encoder.config.dropout_prob if dropout_prob is None else dropout_prob)
        self.tagger = SpanPairScorer(
            encoder.config.hidden_size,
            num_types,
            head_size=head_size,
            max_positions=encoder.config.max_positions,
        )

    def forward(self, batch: PackedTensors) -> Tensor:
        """Features of tokens, float32, shape (N, 2 * D + 2 * T); see `erya.nn.span_pairs`."""
        features: Tensor = self.tagger(self.dropout(self.encoder(batch).hidden), batch.positions)
        return features
