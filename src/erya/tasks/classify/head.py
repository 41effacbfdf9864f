"""The network of classification and what it is trained by.

S sequences, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from erya.data.batches import PackedBatch
from erya.models.heads.sequence import SequenceClassifier
from erya.nn.losses import LossTerm
from erya.nn.packing import PackedTensors
from erya.tasks.classify.loss import LOSS_NAME, classification_loss
from erya.tasks.learner import NetworkLearner


class SetsLearner(NetworkLearner):
    """A classifier whose outputs are those of several sets of labels, side by side.

    Batches have the target `labels`, int64, shape (S, sets); logits have the shape (S, C).

    Args:
        network: the classifier, with an output for each label of every set.
        sizes: labels of each set, by its name.
    """

    def __init__(self, network: SequenceClassifier, *, sizes: Mapping[str, int]) -> None:
        super().__init__(network)
        self._sizes = dict(sizes)

    def losses(self, logits: Tensor, batch: PackedTensors) -> list[LossTerm]:
        """Cross-entropy of each set, summed; the sets weigh alike."""
        terms = []
        for place, (name, part) in enumerate(self._parts(logits).items()):
            term = classification_loss(part, batch.targets["labels"][:, place])
            terms.append(replace(term, name=f"{LOSS_NAME}_{name}", weight=1.0 / len(self._sizes)))
        return terms

    def log_probs(self, logits: Tensor, batch: PackedTensors) -> Tensor | None:
        """None: a row holds several distributions."""
        return None

    def counts(self, batch: PackedBatch) -> Mapping[str, int]:
        """One target a sequence and set."""
        return {f"{LOSS_NAME}_{name}": batch.num_sequences for name in self._sizes}

    def _parts(self, logits: Tensor) -> dict[str, Tensor]:
        return dict(zip(self._sizes, torch.split(logits, list(self._sizes.values()), dim=-1), strict=True))


class MultiLabelLearner(NetworkLearner):
    """A classifier that says of each label by itself whether it is true.

    Batches have the target `labels`, float32 0 or 1, shape (S, C), as logits have.

    Args:
        network: the classifier.
    """

    def losses(self, logits: Tensor, batch: PackedTensors) -> list[LossTerm]:
        """Binary cross-entropy, summed over sequences and labels."""
        truths = batch.targets["labels"].float()
        total = functional.binary_cross_entropy_with_logits(logits.float(), truths, reduction="sum")
        return [LossTerm(LOSS_NAME, total, truths.numel())]

    def log_probs(self, logits: Tensor, batch: PackedTensors) -> Tensor:
        """Of true and not true, a row for each sequence and label, shape (S * C, 2), float32."""
        flat = logits.float().reshape(-1)
        return torch.stack([functional.logsigmoid(flat), functional.logsigmoid(-flat)], dim=-1)

    def counts(self, batch: PackedBatch) -> Mapping[str, int]:
        """One target a sequence and label."""
        return {LOSS_NAME: batch.targets["labels"].size}


class ClassifyLearner(NetworkLearner):
    """A classifier and its loss; `erya.tasks.learner.Learner` says what each part is for.

    Batches have the target `labels`, int64, shape (S,); logits have the shape (S, C).

    Args:
        network: the classifier.
        class_weights: factor of each class's loss, shape (C,); None is 1 for all.
        focal_gamma: see `classification_loss`.
    """

    class_weights: Tensor | None

    def __init__(
        self, network: SequenceClassifier, *, class_weights: Tensor | None = None, focal_gamma: float = 0.0
    ) -> None:
        super().__init__(network)
        self._focal_gamma = focal_gamma
        self.register_buffer("class_weights", class_weights, persistent=False)

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
