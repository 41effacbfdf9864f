"""The network of matching and what it is trained by.

S pairs, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from torch import Tensor
from torch.nn import functional

from erya.data.batches import PackedBatch
from erya.models.heads.sequence import SequenceClassifier
from erya.nn.losses import LossTerm, summed_cross_entropy
from erya.nn.packing import PackedTensors
from erya.tasks.learner import NetworkLearner

LOSS_NAME = "match"


class MatchLearner(NetworkLearner):
    """A classifier of pairs, or with one output a judge of them.

    Batches have the target `labels`, int64, shape (S,), and logits the shape (S, C); or the target `values`,
    float32, shape (S,), and logits the shape (S, 1).

    Args:
        network: with C outputs, or one for a number.
        loss: of a number: squared error, or cross-entropy with the number as a probability.
    """

    def __init__(self, network: SequenceClassifier, *, loss: Literal["mse", "bce"] = "mse") -> None:
        super().__init__(network)
        self._loss = loss

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
