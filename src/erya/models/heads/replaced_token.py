"""Whether tokens were replaced: ELECTRA's discriminator.

N tokens, H width.
"""

from __future__ import annotations

from torch import Tensor, nn

from erya.models.encoder import Encoder
from erya.nn.feedforward import ACTIVATIONS
from erya.nn.packing import PackedTensors


class DiscriminatorHead(nn.Module):
    """A dense layer, an activation, and one number a token."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        size = encoder.config.hidden_size
        self.dense = nn.Linear(size, size)
        self.activation = ACTIVATIONS[encoder.config.activation]
        self.prediction = nn.Linear(size, 1)

    def forward(self, hidden: Tensor) -> Tensor:
        """From states, shape (N, H), to logits, shape (N,)."""
        logits: Tensor = self.prediction(self.activation(self.dense(hidden))).squeeze(-1)
        return logits


class ReplacedTokenModel(nn.Module):
    """Tells tokens that stood in the text from those a generator put there.

    Args:
        encoder: the encoder; its pooler, if it has one, is not used.
    Source: Clark et al. 2020, ELECTRA, section 2.
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.discriminator = DiscriminatorHead(encoder)

    def forward(self, batch: PackedTensors) -> Tensor:
        """Logits, shape (N,); above 0 a token counts as replaced."""
        logits: Tensor = self.discriminator(self.encoder(batch).hidden)
        return logits
