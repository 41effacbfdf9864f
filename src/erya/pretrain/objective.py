"""Masked language modelling as the training loop sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from erya.data.batches import PackedBatch
from erya.models.masked_lm import LOSS_NAME, MaskedLanguageModel
from erya.nn.losses import LossTerm
from erya.nn.packing import PackedTensors


class MaskedLanguageTraining(nn.Module):
    """A masked language model that gives its loss."""

    def __init__(self, model: MaskedLanguageModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: PackedTensors) -> list[LossTerm]:
        return [self.model.loss(batch)]


class MaskedLanguageObjective:
    """Trains and scores a masked language model.

    Args:
        model: the model.
        held_out: masked batches to score it on.
    """

    def __init__(self, model: MaskedLanguageModel, *, held_out: Sequence[PackedBatch] = ()) -> None:
        self.module, self._held_out = MaskedLanguageTraining(model), held_out

    def counts(self, batch: PackedBatch) -> Mapping[str, int]:
        return {LOSS_NAME: len(batch.targets["masked_labels"])}

    def inputs(self, batch: PackedBatch) -> PackedTensors:
        return PackedTensors.from_batch(batch, self._device)

    def evaluate(self) -> dict[str, float]:
        """Mean loss and share of right guesses over the masked tokens of the held-out batches.

        Returns:
            `eval_loss` in nats a token and `eval_masked_accuracy` in [0, 1].
        """
        total, correct, count = 0.0, 0, 0
        for batch in self._held_out:
            term, right = self.module.model.score(self.inputs(batch))
            total += float(term.total)
            correct += right
            count += term.count
        return {"eval_loss": total / max(count, 1), "eval_masked_accuracy": correct / max(count, 1)}

    @property
    def _device(self) -> torch.device:
        return next(self.module.parameters()).device
