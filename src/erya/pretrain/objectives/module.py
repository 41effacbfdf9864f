"""What every objective of pre-training is to the rest of the room."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from erya.checkpoints.info import TaskName
from erya.data.batches import PackedBatch
from erya.models.encoder import Encoder
from erya.nn.losses import LossTerm
from erya.nn.packing import PackedTensors
from erya.pretrain.objectives.sums import Sums


@dataclass(frozen=True, slots=True)
class Part:
    """A model that a run leaves behind.

    Attributes:
        module: what to save.
        task: whose head it has, the first one where it has several.
    """

    module: nn.Module
    task: TaskName


class ObjectiveModule(nn.Module, ABC):
    """One or several models with their losses: called with a batch it returns its loss terms."""

    @abstractmethod
    def forward(self, batch: PackedTensors, *, sums: Sums | None = None) -> list[LossTerm]:
        """The losses of a batch.

        Args:
            batch: with the targets the objective defines.
            sums: where to add what `metrics` is made of; what only training needs is then left out.
        """

    @abstractmethod
    def counts(self, batch: PackedBatch) -> Mapping[str, int]:
        """How many targets each loss term of `batch` has."""

    @abstractmethod
    def metrics(self, sums: Mapping[str, float]) -> dict[str, float]:
        """The numbers that `eval_...` keys say, made of sums over all held-out batches of a kind."""

    @abstractmethod
    def parts(self) -> dict[str, Part]:
        """The models to save, by the names of their directories within the run's; the main one is `model`."""

    @abstractmethod
    def encoders(self) -> list[Encoder]:
        """The encoders that are trained, the main one first."""
