"""Texts as vectors: an encoder and a mean of its states.

S sequences, H width.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from erya.models.encoder import Encoder
from erya.nn.packing import PackedTensors
from erya.nn.pooling import pool_tokens

TextPooling = Literal["cls", "mean", "first_last_mean"]


class SentenceEncoder(nn.Module):
    """One vector a sequence; nothing is learnt besides the encoder.

    Args:
        encoder: the encoder; its pooler, if it has one, is not used.
        pooling: `cls`: the first token's last state; `mean`: of the last states; `first_last_mean`: of the
            states after the first and after the last block.
    Source: Reimers and Gurevych 2019, Sentence-BERT, section 3; first and last: Su et al. 2021, Whitening
        Sentence Representations, section 4.1.
    """

    def __init__(self, encoder: Encoder, *, pooling: TextPooling) -> None:
        super().__init__()
        self.encoder, self.pooling = encoder, pooling

    def forward(self, batch: PackedTensors) -> Tensor:
        """Vectors of any length, float32, shape (S, H)."""
        if self.pooling == "cls":
            firsts: Tensor = self.encoder(batch, rows=batch.bounds[:-1].long()).hidden
            return firsts.float()
        if self.pooling == "mean":
            return pool_tokens(self.encoder(batch).hidden.float(), batch, pooling="mean")
        output = self.encoder(batch, keep_all_hidden=True)
        assert output.all_hidden is not None, "asked for"
        states = (output.all_hidden[1].float() + output.all_hidden[-1].float()) / 2
        return pool_tokens(states, batch, pooling="mean")
