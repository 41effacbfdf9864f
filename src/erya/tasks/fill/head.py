"""The network that fills masks. M masks of a batch, V vocabulary size, K guesses of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from erya.data.batches import PackedBatch
from erya.models.masked_lm import MaskedLanguageModel
from erya.nn.packing import PackedTensors
from erya.tasks.learner import NetworkLearner

TOP = 5


class FillLearner(NetworkLearner):
    """A masked language model at the masks that the text itself has. It is not trained here.

    Args:
        network: the model.
    """

    def __init__(self, network: MaskedLanguageModel) -> None:
        super().__init__(network)

    def logits(self, batch: PackedTensors) -> Tensor:
        """Shape (M, V), of the tokens where `is_mask` holds."""
        batch.targets["masked_positions"] = batch.targets["is_mask"].nonzero().squeeze(1)
        return super().logits(batch)

    def counts(self, batch: PackedBatch) -> Mapping[str, int]:
        """There is nothing to learn from."""
        return {}

    def log_probs(self, logits: Tensor, batch: PackedTensors) -> Tensor | None:
        """Nothing compares two of these."""
        return None

    def outputs(self, logits: Tensor, batch: PackedTensors) -> list[NDArray[Any]]:
        """Of each sequence the ids of the K likeliest tokens and their probabilities, shape (its M, K, 2)."""
        best = logits.float().softmax(dim=-1).topk(min(TOP, logits.shape[1]), dim=-1)
        both = torch.stack([best.indices.double(), best.values.double()], dim=-1).cpu().numpy()
        masks = np.concatenate([[0], np.cumsum(batch.targets["is_mask"].cpu().numpy())])
        return np.split(both, masks[batch.bounds.cpu().numpy()][1:-1])
