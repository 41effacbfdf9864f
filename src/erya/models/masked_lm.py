"""The masked language model: an encoder and a head that guesses chosen tokens.

N tokens, M chosen positions, H width, E width of the embeddings, V vocabulary size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from erya.models.encoder import Encoder
from erya.models.parts import make_norm
from erya.nn.feedforward import ACTIVATIONS
from erya.nn.losses import LossTerm, linear_cross_entropy, linear_cross_entropy_and_hits
from erya.nn.packing import PackedTensors

LOSS_NAME = "masked_lm"
# Logits of rows that are no token's begin this low: no probability in 32 bits, and finite in 16.
_NEVER = -10_000.0


class MaskedLanguageHead(nn.Module):
    """Dense layer, activation, norm, and a product with the token embeddings.

    Source: Devlin et al. 2019, BERT, section 3.1; Press and Wolf 2017, Using the Output Embedding.
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        config = encoder.config
        self.dense = nn.Linear(config.hidden_size, config.words_size, bias=config.head_bias)
        self.activation = ACTIVATIONS[config.head_activation or config.activation]
        self.norm = make_norm(config, config.words_size)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))

    def forward(self, hidden: Tensor, embedding: Tensor) -> Tensor:
        """From states, shape (M, H), and the token embedding, shape (V, E), to logits, shape (M, V)."""
        return functional.linear(self.transformed(hidden), embedding, self.bias)

    def transformed(self, hidden: Tensor) -> Tensor:
        """What meets the token embedding: from states, shape (M, H), to (M, E)."""
        transformed: Tensor = self.norm(self.activation(self.dense(hidden)))
        return transformed


class MaskedLanguageModel(nn.Module):
    """Predicts tokens at the chosen positions only: the vocabulary never meets the others.

    Args:
        encoder: the encoder; its token embedding is the head's output matrix.
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = MaskedLanguageHead(encoder)

    def forward(self, batch: PackedTensors) -> Tensor:
        """Logits, shape (M, V), at the rows `batch.targets["masked_positions"]`, int64, shape (M,)."""
        logits: Tensor = self.head(self._chosen(batch), self.encoder.embeddings.words.weight)
        return logits

    def loss(self, batch: PackedTensors) -> LossTerm:
        """The loss of a batch whose targets hold `masked_positions` and `masked_labels`, int64 (M,)."""
        labels = batch.targets["masked_labels"]
        return LossTerm(LOSS_NAME, self.loss_of(self._chosen(batch), labels), len(labels))

    def score(self, batch: PackedTensors) -> tuple[LossTerm, int]:
        """The loss of a batch and how many of its predictions are right."""
        labels = batch.targets["masked_labels"]
        total, correct = self.score_of(self._chosen(batch), labels)
        return LossTerm(LOSS_NAME, total, len(labels)), int(correct)

    def loss_of(self, hidden: Tensor, labels: Tensor) -> Tensor:
        """The loss summed over chosen tokens, a float32 scalar, from their states (M, H) and labels (M,)."""
        return linear_cross_entropy(*self._meeting(hidden), labels)

    def score_of(self, hidden: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The same loss, and how many predictions are right, both 0-dimensional and without gradients."""
        return linear_cross_entropy_and_hits(*self._meeting(hidden), labels)

    def _meeting(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What logits are made of: states (M, E), the token embedding (V, E), the bias (V,)."""
        return self.head.transformed(hidden), self.encoder.embeddings.words.weight, self.head.bias

    def _chosen(self, batch: PackedTensors) -> Tensor:
        """States of the chosen tokens, shape (M, H)."""
        hidden: Tensor = self.encoder(batch, rows=batch.targets["masked_positions"]).hidden
        return hidden


def padded_rows(vocab_size: int) -> int:
    """Rows of an embedding for so many tokens: the next multiple of 64, which matrix units like best.

    Source: Shoeybi et al. 2019, Megatron-LM, section 3.
    """
    return -(-vocab_size // 64) * 64


def silence_rows(model: MaskedLanguageModel, vocab_size: int) -> None:
    """Keep rows from `vocab_size` on, which are no token's, from ever being predicted.

    The head's bias does it, so it is saved with the model and holds wherever that is opened. In training such
    rows have no share in the loss, and no gradient.
    """
    with torch.no_grad():
        model.head.bias[vocab_size:] = _NEVER
