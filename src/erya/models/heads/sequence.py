"""Classification of sequences: an encoder, its pooler, dropout and one linear layer.

S sequences, H width, C classes.
"""

from __future__ import annotations

from torch import Tensor, nn

from erya.models.encoder import Encoder
from erya.nn.dropout import Dropout
from erya.nn.packing import PackedTensors


class SequenceClassifier(nn.Module):
    """One of C classes for each sequence; with C of 1, a number.

    Args:
        encoder: an encoder with a pooler.
        num_labels: C, at least 1.
        dropout_prob: before the classifier, in [0, 1); None is the encoder's.
    Source: Devlin et al. 2019, BERT, section 4.1.
    """

    def __init__(self, encoder: Encoder, num_labels: int, *, dropout_prob: float | None = None) -> None:
        super().__init__()
        if num_labels < 1:
            raise ValueError(f"a classifier has at least one output, not {num_labels}")
        self.encoder = encoder
        self.dropout = Dropout(encoder.config.dropout_prob if dropout_prob is None else dropout_prob)
        self.classifier = nn.Linear(encoder.config.hidden_size, num_labels)

    def forward(self, batch: PackedTensors) -> Tensor:
        """Logits, shape (S, C)."""
        logits: Tensor = self.classifier(self.dropout(self.encoder.pooled(batch)))
        return logits
