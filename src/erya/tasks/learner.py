"""What a task's network side gives to training and prediction: logits, losses, outputs of packed batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from erya.data.batches import PackedBatch
from erya.nn.losses import LossTerm
from erya.nn.packing import PackedTensors


class Learner(Protocol):
    """A network with a task's head, and what it is trained by. Every implementation is an `nn.Module`.

    Its `forward(batch)` is `losses(logits(batch), batch)`: what the training loop calls.
    """

    @property
    def network(self) -> nn.Module:
        """What a model directory holds: has the encoder as `encoder`."""
        ...

    def logits(self, batch: PackedTensors) -> Tensor:
        """What the head says, whatever its shape; differentiable."""
        ...

    def losses(self, logits: Tensor, batch: PackedTensors) -> Sequence[LossTerm]:
        """The loss terms of a batch with targets."""
        ...

    def log_probs(self, logits: Tensor, batch: PackedTensors) -> Tensor | None:
        """Logarithms of probabilities, shape (R, K), each row a distribution; None where there is none.

        R-Drop and distillation compare two of them.
        """
        ...

    def counts(self, batch: PackedBatch) -> Mapping[str, int]:
        """How many targets each loss term of `batch` has, known without running the network."""
        ...

    def outputs(self, logits: Tensor, batch: PackedTensors) -> list[NDArray[Any]]:
        """What the task's `decode` takes, an array for each sequence of the batch."""
        ...


class NetworkLearner(nn.Module):
    """What learners of one network have in common; each says its losses, their probabilities and counts.

    Args:
        network: gives logits of a packed batch.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: PackedTensors) -> list[LossTerm]:
        """The losses of a batch with targets."""
        return self.losses(self.logits(batch), batch)

    def logits(self, batch: PackedTensors) -> Tensor:
        """What the network says."""
        logits: Tensor = self.network(batch)
        return logits

    def losses(self, logits: Tensor, batch: PackedTensors) -> list[LossTerm]:
        """The loss terms of a batch with targets."""
        raise NotImplementedError

    def outputs(self, logits: Tensor, batch: PackedTensors) -> list[NDArray[Any]]:
        """The logits of each sequence, float32, of which each has a row."""
        return list(np.asarray(logits.float().cpu().numpy()))
