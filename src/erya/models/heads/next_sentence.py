"""Whether two texts belong together: an encoder, its pooler and one linear layer.

S sequences.
"""

from __future__ import annotations

from torch import Tensor, nn

from erya.models.encoder import Encoder
from erya.nn.packing import PackedTensors


class NextSentenceModel(nn.Module):
    """Two classes for each pair; the first: the second text follows the first, or follows in this order.

    Args:
        encoder: an encoder with a pooler.
    Source: Devlin et al. 2019, BERT, section 3.1; sentence order: Lan et al. 2020, ALBERT, section 3.1.
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.next_sentence = nn.Linear(encoder.config.hidden_size, 2)

    def forward(self, batch: PackedTensors) -> Tensor:
        """Logits, shape (S, 2)."""
        logits: Tensor = self.next_sentence(self.encoder.pooled(batch))
        return logits
