"""Transformer blocks: attention and a feed-forward layer, with norms after or before each.

N tokens, H width.
"""

from __future__ import annotations

from torch import Tensor, nn

from erya.nn.attention import SelfAttention
from erya.nn.dropout import Dropout
from erya.nn.feedforward import FeedForward, GatedFeedForward
from erya.nn.layout import Layout


class PostNormBlock(nn.Module):
    """Attention, then feed-forward; each is added to its input and normalised.

    Args:
        attention: the attention part.
        feedforward: the feed-forward part.
        attention_norm, feedforward_norm: what is done to each sum.
        dropout_prob: of each part's output, in [0, 1).
    Source: Devlin et al. 2019, BERT, section 3.
    """

    def __init__(
        self,
        attention: SelfAttention,
        feedforward: FeedForward | GatedFeedForward,
        *,
        attention_norm: nn.Module,
        feedforward_norm: nn.Module,
        dropout_prob: float,
    ) -> None:
        super().__init__()
        self.attention = attention
        self.attention_norm = attention_norm
        self.feedforward = feedforward
        self.feedforward_norm = feedforward_norm
        self.dropout = Dropout(dropout_prob)

    def forward(
        self,
        hidden: Tensor,
        layout: Layout,
        *,
        rows: Tensor | None = None,
        probs: list[list[Tensor]] | None = None,
    ) -> Tensor:
        """Shape (N, H) in and out; with `rows`, int64, shape (R,), only those rows come out, (R, H).

        Every token is still attended to; what follows attention is computed for `rows` alone. For `probs`
        see `SelfAttention`.
        """
        attended = self.attention(hidden, layout, rows=rows, probs=probs)
        kept = hidden if rows is None else hidden.index_select(0, rows)
        return self.after_attention(kept, attended)

    def after_attention(self, hidden: Tensor, attended: Tensor) -> Tensor:
        """From the input of a block and what attention made of it, both (R, H), to its output.

        Here no token looks at another: it can be compiled.
        """
        kept = self.attention_norm(hidden + self.dropout(attended))
        normed: Tensor = self.feedforward_norm(kept + self.dropout(self.feedforward(kept)))
        return normed


class PreNormBlock(PostNormBlock):
    """The same parts, but each normalises its input, and what is added up is never normalised.

    Source: Xiong et al. 2020, On Layer Normalization in the Transformer Architecture.
    """

    def forward(
        self,
        hidden: Tensor,
        layout: Layout,
        *,
        rows: Tensor | None = None,
        probs: list[list[Tensor]] | None = None,
    ) -> Tensor:
        """See `PostNormBlock.forward`."""
        attended = self.attention(self.attention_norm(hidden), layout, rows=rows, probs=probs)
        kept = hidden if rows is None else hidden.index_select(0, rows)
        return self.after_attention(kept, attended)

    def after_attention(self, hidden: Tensor, attended: Tensor) -> Tensor:
        """See `PostNormBlock.after_attention`."""
        kept = hidden + self.dropout(attended)
        summed: Tensor = kept + self.dropout(self.feedforward(self.feedforward_norm(kept)))
        return summed
