"""Several learners on one encoder, as the training loop sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from erya.data.batches import PackedBatch
from erya.data.features import Features
from erya.nn.losses import LossTerm
from erya.nn.packing import PackedTensors
from erya.tasks.learner import Learner

_TASK = "together_task"  # the target that says which task a sequence is of


def marked(features: Sequence[Features], number: int) -> list[Features]:
    """`features` that say they are of task `number`."""
    mark = {_TASK: np.array(number, dtype=np.int64)}
    return [replace(item, targets={**item.targets, **mark}) for item in features]


@dataclass(frozen=True, slots=True)
class TaskTensors:
    """A batch and the task it is of.

    Attributes:
        name: of the task.
        tensors: the batch.
    """

    name: str
    tensors: PackedTensors


class TogetherModule(nn.Module):
    """Learners that share an encoder; a batch is learnt from by the one it is of.

    Args:
        learners: by name; every one is a module.
    """

    def __init__(self, learners: Mapping[str, Learner]) -> None:
        super().__init__()
        modules = {name: learner for name, learner in learners.items() if isinstance(learner, nn.Module)}
        assert len(modules) == len(learners)
        self.learners = nn.ModuleDict(modules)

    def forward(self, batch: TaskTensors) -> Sequence[LossTerm]:
        """The loss terms of a batch."""
        terms: Sequence[LossTerm] = self.learners[batch.name](batch.tensors)
        return terms


class TogetherTrainable:
    """Trains several learners; every global batch is of one task.

    Args:
        learners: by name, in the order in which `marked` numbers them.
        whole_batches: see `FinetuneRecipe`; of any of the tasks.
    """

    def __init__(self, learners: Mapping[str, Learner], *, whole_batches: str | None = None) -> None:
        self.whole_batches = whole_batches
        self._learners, self._names = learners, list(learners)
        self.module: nn.Module = TogetherModule(learners)

    def counts(self, batch: PackedBatch) -> Mapping[str, int]:
        """How many targets each loss term of the batch's task has."""
        return self._learners[self._name(batch)].counts(batch)

    def inputs(self, batch: PackedBatch) -> TaskTensors:
        """The batch on the module's device, without its mark."""
        name = self._name(batch)
        targets = {key: value for key, value in batch.targets.items() if key != _TASK}
        return TaskTensors(name, PackedTensors.from_batch(replace(batch, targets=targets), self.device))

    @property
    def device(self) -> torch.device:
        """Where the module is now."""
        return next(self.module.parameters()).device

    def _name(self, batch: PackedBatch) -> str:
        return self._names[int(batch.targets[_TASK][0])]
