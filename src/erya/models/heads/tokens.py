"""Classification of tokens: an encoder, dropout and one linear layer.

N tokens, H width, C classes.
"""

from __future__ import annotations

from torch import Tensor, nn

from erya.models.encoder import Encoder
from erya.models.parts import make_token_transform
from erya.nn.dropout import Dropout
from erya.nn.packing import PackedTensors


class TokenClassifier(nn.Module):
    """One of C classes for each token.

    Args:
        encoder: the encoder; its pooler, if it has one, is not used.
        num_labels: C, at least 2.
        dropout_prob: before the classifier, in [0, 1); None is the encoder's.
    Source: Devlin et al. 2019, BERT, section 5.3.
    """

    def __init__(self, encoder: Encoder, num_labels: int, *, dropout_prob: float | None = None) -> None:
        super().__init__()
        if num_labels < 2:
            raise ValueError(f"classification needs at least 2 classes, not {num_labels}")
        self.encoder = encoder
        self.transform = make_token_transform(encoder.config)
        self.dropout = Dropout(encoder.config.dropout_prob if dropout_prob is None else dropout_prob)
        self.tagger = nn.Linear(encoder.config.hidden_size, num_labels)

    def forward(self, batch: PackedTensors) -> Tensor:
        """Logits, shape (N, C)."""
        logits: Tensor = self.tagger(self.dropout(self.transform(self.encoder(batch).hidden)))
        return logits
