"""The network of matching and what it is trained by.

S pairs, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from erya.data.batches import PackedBatch
from erya.models.heads.sequence import SequenceClassifier
from erya.nn.losses import LossTerm, summed_cross_entropy
from erya.nn.packing import PackedTensors

LOSS_NAME = "match"


class MatchLearner(nn.Module):
    """A classifier of pairs, or with one output a judge of them.

    Args:
        network: with C outputs, or one for a number.
        loss: of a number: squared error, or cross-entropy with the number as a probability.
    """

    def __init__(self, network: SequenceClassifier, *, loss: Literal["mse", "bce"] = "mse") -> None:
        super().__init__()
        self.network, self._loss = network, loss

    def forward(self, batch: PackedTensors) -> list[LossTerm]:
        """The loss of a batch with target `labels`, int64, or `values`, float32, shape (S,)."""
        return self.losses(self.logits(batch), batch)

    def logits(self, batch: PackedTensors) -> Tensor:
        """Shape (S, C); of numbers (S, 1)."""
        logits: Tensor = self.network(batch)
        return logits

    def losses(self, logits: Tensor, batch: PackedTensors) -> list[LossTerm]:
        """The loss summed over the pairs."""
        count = len(logits)
        if "labels" in batch.targets:
            return [LossTerm(LOSS_NAME, summed_cross_entropy(logits, batch.targets["labels"]), count)]
        numbers, values = logits[:, 0].float(), batch.targets["values"]
        if self._loss == "bce":
            loss = functional.binary_cross_entropy_with_logits(numbers, values, reduction="sum")
        else:
            loss = functional.mse_loss(numbers, values, reduction="sum")
        return [LossTerm(LOSS_NAME, loss, count)]

    def log_probs(self, logits: Tensor, batch: PackedTensors) -> Tensor | None:
        """Of the classes, shape (S, C), float32; None for numbers."""
        return functional.log_softmax(logits.float(), dim=-1) if logits.shape[1] > 1 else None

    def counts(self, batch: PackedBatch) -> Mapping[str, int]:
        """One target a pair."""
        return {LOSS_NAME: batch.num_sequences}

    def outputs(self, logits: Tensor, batch: PackedTensors) -> list[NDArray[Any]]:
        """The logits of each pair, float32, shape (C,)."""
        return list(np.asarray(logits.float().cpu().numpy()))
