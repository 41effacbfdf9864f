"""The network of classification and what it is trained by.

S sequences, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from erya.data.batches import PackedBatch
from erya.models.heads.sequence import SequenceClassifier
from erya.nn.losses import LossTerm
from erya.nn.packing import PackedTensors
from erya.tasks.classify.loss import LOSS_NAME, classification_loss


class ClassifyLearner(nn.Module):
    """A classifier and its loss; `erya.tasks.learner.Learner` says what each part is for.

    Args:
        network: the classifier.
        class_weights: factor of each class's loss, shape (C,); None is 1 for all.
        focal_gamma: see `classification_loss`.
    """

    class_weights: Tensor | None

    def __init__(
        self, network: SequenceClassifier, *, class_weights: Tensor | None = None, focal_gamma: float = 0.0
    ) -> None:
        super().__init__()
        self.network, self._focal_gamma = network, focal_gamma
        self.register_buffer("class_weights", class_weights, persistent=False)

    def forward(self, batch: PackedTensors) -> list[LossTerm]:
        """The loss of a batch with target `labels`, int64, shape (S,)."""
        return self.losses(self.logits(batch), batch)

    def logits(self, batch: PackedTensors) -> Tensor:
        """Shape (S, C)."""
        logits: Tensor = self.network(batch)
        return logits

    def losses(self, logits: Tensor, batch: PackedTensors) -> list[LossTerm]:
        """Cross-entropy, summed; weights and gamma are for learning, not for dev scores."""
        labels = batch.targets["labels"]
        if not self.training:
            return [classification_loss(logits, labels)]
        return [
            classification_loss(
                logits, labels, class_weights=self.class_weights, focal_gamma=self._focal_gamma
            )
        ]

    def log_probs(self, logits: Tensor, batch: PackedTensors) -> Tensor:
        """Of the classes, shape (S, C), float32."""
        return functional.log_softmax(logits.float(), dim=-1)

    def counts(self, batch: PackedBatch) -> Mapping[str, int]:
        """One target a sequence."""
        return {LOSS_NAME: batch.num_sequences}

    def outputs(self, logits: Tensor, batch: PackedTensors) -> list[NDArray[Any]]:
        """The logits of each sequence, float32, shape (C,)."""
        return list(np.asarray(logits.float().cpu().numpy()))
