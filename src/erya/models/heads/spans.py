"""Answers as spans: an encoder and one linear layer.

N tokens, H width.
"""

from __future__ import annotations

from torch import Tensor, nn

from erya.models.encoder import Encoder
from erya.models.parts import make_token_transform
from erya.nn.packing import PackedTensors


class SpanModel(nn.Module):
    """How well each token begins and ends an answer.

    Args:
        encoder: the encoder; its pooler, if it has one, is not used.
    Source: Devlin et al. 2019, BERT, section 4.2.
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.transform = make_token_transform(encoder.config)
        self.spans = nn.Linear(encoder.config.hidden_size, 2)

    def forward(self, batch: PackedTensors) -> Tensor:
        """Logits of beginning and of ending, side by side, shape (N, 2)."""
        logits: Tensor = self.spans(self.transform(self.encoder(batch).hidden))
        return logits
