"""A learner as the training loop sees it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from erya.data.batches import PackedBatch
from erya.nn.packing import PackedTensors
from erya.tasks.learner import Learner


class TaskTrainable:
    """Trains a learner: the module is called with packed tensors and gives loss terms.

    Args:
        learner: of any task.
        whole_batches: see `FinetuneRecipe`.
    """

    def __init__(self, learner: Learner, *, whole_batches: str | None = None) -> None:
        assert isinstance(learner, nn.Module)
        self.whole_batches = whole_batches
        self.learner: Learner = learner
        self.module: nn.Module = learner

    def counts(self, batch: PackedBatch) -> Mapping[str, int]:
        """How many targets each loss term has."""
        return self.learner.counts(batch)

    def inputs(self, batch: PackedBatch) -> PackedTensors:
        """The batch on the module's device."""
        return PackedTensors.from_batch(batch, self.device)

    @property
    def device(self) -> torch.device:
        """Where the module is now."""
        return next(self.module.parameters()).device
