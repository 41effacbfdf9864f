"""What an encoder gives."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class EncoderOutput:
    """States of N tokens of width H.

    Attributes:
        hidden: the last block's states, shape (N, H), or (R, H) where R rows were asked for.
        all_hidden: the embeddings and each block's states, shape (N, H) each; None unless asked for.
        attentions: for each block, for each sequence of L tokens, the attention probabilities, shape
            (heads, L, L); None unless asked for.
    """

    hidden: Tensor
    all_hidden: tuple[Tensor, ...] | None = None
    attentions: tuple[tuple[Tensor, ...], ...] | None = None
