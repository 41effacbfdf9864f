"""A transformer block with the norm after each part.

N tokens, H width.
"""

from __future__ import annotations

from torch import Tensor, nn

from erya.nn.attention import SelfAttention
from erya.nn.dropout import Dropout
from erya.nn.feedforward import FeedForward
from erya.nn.layout import Layout


class PostNormBlock(nn.Module):
    """Attention, then feed-forward; each is added to its input and normalised.

    Args:
        attention: the attention part.
        feedforward: the feed-forward part.
        size: H.
        dropout_prob: of each part's output, in [0, 1).
        norm_eps: added to the variance.
    Source: Devlin et al. 2019, BERT, section 3.
    """

    def __init__(
        self,
        attention: SelfAttention,
        feedforward: FeedForward,
        *,
        size: int,
        dropout_prob: float,
        norm_eps: float,
    ) -> None:
        super().__init__()
        self.attention = attention
        self.attention_norm = nn.LayerNorm(size, eps=norm_eps)
        self.feedforward = feedforward
        self.feedforward_norm = nn.LayerNorm(size, eps=norm_eps)
        self.dropout = Dropout(dropout_prob)

    def forward(self, hidden: Tensor, layout: Layout, *, rows: Tensor | None = None) -> Tensor:
        """Shape (N, H) in and out; with `rows`, int64, shape (R,), only those rows come out, (R, H).

        Every token is still attended to; what follows attention is computed for `rows` alone.
        """
        attended = self.attention(hidden, layout, rows=rows)
        kept = hidden if rows is None else hidden.index_select(0, rows)
        kept = self.attention_norm(kept + self.dropout(attended))
        normed: Tensor = self.feedforward_norm(kept + self.dropout(self.feedforward(kept)))
        return normed
