"""The masked language model that also tells whether two texts belong together: BERT as it was pre-trained.

M chosen positions, S sequences, H width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from erya.models.encoder import Encoder
from erya.models.masked_lm import MaskedLanguageModel
from erya.nn.packing import PackedTensors


class MaskedPairModel(MaskedLanguageModel):
    """A masked language model with a pooler and two classes for each pair; one encoder run serves both.

    Args:
        encoder: an encoder with a pooler of first tokens.
    Source: Devlin et al. 2019, BERT, section 3.1; sentence order: Lan et al. 2020, ALBERT, section 3.1.
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__(encoder)
        if encoder.pooler is None or encoder.config.pooler.pooling != "first":
            raise ValueError("predicting pairs wants an encoder with a pooler of first tokens")
        self.next_sentence = nn.Linear(encoder.config.hidden_size, 2)

    def states(self, batch: PackedTensors) -> tuple[Tensor, Tensor]:
        """States at the rows `batch.targets["masked_positions"]` and of first tokens, (M, H) and (S, H)."""
        chosen, firsts = batch.targets["masked_positions"], batch.bounds[:-1].long()
        hidden = self.encoder(batch, rows=torch.cat([chosen, firsts])).hidden
        return hidden[: len(chosen)], hidden[len(chosen) :]

    def pair_logits(self, firsts: Tensor) -> Tensor:
        """From first tokens' states, (S, H), to logits, (S, 2); 0: the second text follows the first."""
        assert self.encoder.pooler is not None, "required when it was made"
        logits: Tensor = self.next_sentence(self.encoder.pooler(firsts))
        return logits
