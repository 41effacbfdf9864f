"""What a task's network side gives to training and prediction: logits, losses, outputs of packed batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

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
