"""What the training loop needs of classification: losses of a batch, scores on the dev file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from erya.data.batches import PackedBatch, pack
from erya.data.features import Features
from erya.metrics.classification import ClassificationScores, ConfusionCounts
from erya.nn.losses import LossTerm
from erya.nn.packing import PackedTensors
from erya.tasks.batches import split
from erya.tasks.classify.head import SequenceClassifier
from erya.tasks.classify.loss import LOSS_NAME, classification_loss


class ClassifierWithLoss(nn.Module):
    """A classifier and what it is trained by.

    Args:
        classifier: the network.
        class_weights: factor of each class's loss, shape (C,); None is 1 for all.
        focal_gamma: see `classification_loss`.
    """

    class_weights: Tensor | None

    def __init__(
        self, classifier: SequenceClassifier, *, class_weights: Tensor | None = None, focal_gamma: float = 0.0
    ) -> None:
        super().__init__()
        self.classifier, self._focal_gamma = classifier, focal_gamma
        self.register_buffer("class_weights", class_weights, persistent=False)

    def forward(self, batch: PackedTensors) -> list[LossTerm]:
        """The loss of a batch with target `labels`, int64, shape (S,)."""
        logits, labels = self.classifier(batch), batch.targets["labels"]
        return [
            classification_loss(
                logits, labels, class_weights=self.class_weights, focal_gamma=self._focal_gamma
            )
        ]


class ClassifyTrainable:
    """A classifier with its loss, as the training loop sees it.

    Args:
        classifier: the network.
        class_weights: factor of each class's loss, shape (C,); None is 1 for all.
        focal_gamma: see `classification_loss`.
    """

    def __init__(
        self, classifier: SequenceClassifier, *, class_weights: Tensor | None = None, focal_gamma: float = 0.0
    ) -> None:
        self.classifier = classifier
        self.module = ClassifierWithLoss(classifier, class_weights=class_weights, focal_gamma=focal_gamma)

    def counts(self, batch: PackedBatch) -> Mapping[str, int]:
        """One target a sequence."""
        return {LOSS_NAME: batch.num_sequences}

    def inputs(self, batch: PackedBatch) -> PackedTensors:
        return PackedTensors.from_batch(batch, self.device)

    @property
    def device(self) -> torch.device:
        """Where the module is now."""
        return self.classifier.classifier.weight.device


class DevSet:
    """Scores the model on the dev file, batch by batch; only counts are kept.

    Args:
        trainable: the model and the device it is on.
        labels: the C classes.
        features: the encoded dev file, with target `labels`.
        batch_tokens: tokens computed at once, at most.
    """

    def __init__(
        self,
        trainable: ClassifyTrainable,
        labels: Sequence[str],
        features: Sequence[Features],
        *,
        batch_tokens: int,
    ) -> None:
        self._trainable, self._labels = trainable, labels
        ordered = sorted(features, key=lambda item: len(item.ids))
        runs = split([len(item.ids) for item in ordered], size=len(ordered), tokens=batch_tokens)
        self._batches = [pack(ordered[run.start : run.stop]) for run in runs]
        self.scores: ClassificationScores | None = None

    def __call__(self) -> dict[str, float]:
        """The numbers for `metrics.jsonl`; the whole scores stay in `scores`."""
        counts, loss, num_texts = ConfusionCounts(self._labels), 0.0, 0
        for batch in self._batches:
            tensors = PackedTensors.from_batch(batch, self._trainable.device)
            logits, truth = self._trainable.classifier(tensors), tensors.targets["labels"]
            loss += float(classification_loss(logits, truth).total)
            num_texts += batch.num_sequences
            counts.add(np.asarray(truth.cpu()), np.asarray(logits.argmax(dim=-1).cpu()))
        self.scores = scores = counts.scores()
        return {
            "eval_loss": loss / num_texts,
            "eval_accuracy": scores.accuracy,
            "eval_macro_f1": scores.macro.f1,
            "eval_weighted_f1": scores.weighted.f1,
        }
