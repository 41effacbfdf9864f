"""What the training loop asks of its guests: a `Trainable`, a `Source` of batches, `Callback`s.

The loop decides when, the trainable what, callbacks do the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from erya.data.batches import PackedBatch
from erya.data.plan import Share

Evaluate = Callable[[], Mapping[str, float]]
"""Scores the model on held-out data. The loop calls it with the module in evaluation mode, without
gradients and under the run's autocast; the names become keys of metrics.jsonl, so begin them with `eval_`."""

Tell = Callable[[str], None]
"""Is given a sentence that a user should read; it begins with `warning` where it is one."""


class LossTerm(Protocol):
    """A summed loss and how many targets it sums over; the loop divides by the global count, once."""

    @property
    def name(self) -> str: ...
    @property
    def total(self) -> Tensor: ...
    @property
    def count(self) -> int: ...
    @property
    def weight(self) -> float: ...


class Trainable(Protocol):
    """A model with its losses. Both methods read the same batch, on the loop's say."""

    @property
    def module(self) -> nn.Module:
        """Whose parameters are trained; the loop moves it to the device before the first step.

        Called with what `inputs` gives (inside the loop's autocast) it returns the batch's loss terms, a
        sequence of `LossTerm`, whose `count`s are what `counts` said. All that uses parameters happens inside
        that call, so that a module spread over ranks works too.
        """
        ...

    def counts(self, batch: PackedBatch) -> Mapping[str, int]:
        """How many targets each loss term of `batch` has, known without running the model.

        The loop adds these up over the micro-batches of a step first, so that every term is divided once by
        its global count.
        """
        ...

    def inputs(self, batch: PackedBatch) -> Any:
        """What the module is called with, on the module's device."""
        ...


@runtime_checkable
class Stacked(Protocol):
    """A linear layer that is several in one, such as queries, keys and values."""

    num_stacked: int
    """How many matrices of one shape are stacked along the rows of its weight."""


@runtime_checkable
class WholeBatches(Protocol):
    """A trainable that may have losses of a whole batch which its parts do not add up to."""

    whole_batches: str | None
    """What a user is to do when memory runs out, since batches may not be cut; None where they may."""


class Source(Protocol):
    """The training data as a pure function of the place in it: nothing to rewind when a run is resumed."""

    def num_batches(self, epoch: int) -> int:
        """Global batches of `epoch`, at least one."""
        ...

    def batch(self, epoch: int, index: int, share: Share) -> Sequence[PackedBatch]:
        """The micro-batches of global batch `index` of `epoch` that `share` computes, at least one.

        All ranks get equally many; together they are the global batch, besides the idle ones. Called some
        steps ahead, in several threads at once.
        """
        ...


@dataclass(frozen=True, slots=True)
class RunStart:
    """What a run is about to do.

    Attributes:
        step: steps already done by the run that is resumed; 0 for a fresh one.
        total_steps: the last step, where the recipe says it in steps or epochs.
        num_parameters: trainable numbers in the module.
    """

    step: int
    total_steps: int | None
    num_parameters: int


@dataclass(frozen=True, slots=True)
class StepReport:
    """One step, as it is shown and written down.

    Attributes:
        step: 1 for the first.
        epoch: the epoch its batch is of, from 0.
        loss: the weighted sum of the terms, each divided by its global count; None for a skipped step.
        grad_norm: before clipping; None for a skipped step.
        lr: learning rate of the step.
        tokens: tokens seen since the run began, this step's included.
        tokens_per_s: of this step; evaluation and checkpoints do not count.
        progress: how much of the training length is behind, in [0, 1].
        batch: the index of its batch within the epoch.
        skipped: why the step was skipped, if it was.
        extra: what else was measured (`train/vitals.py` lists it); some of it on logged steps only.
    """

    step: int
    epoch: int
    loss: float | None
    grad_norm: float | None
    lr: float
    tokens: int
    tokens_per_s: float
    progress: float
    batch: int = 0
    skipped: str | None = None
    extra: Mapping[str, float] = field(default_factory=dict)


class Callback:
    """Told what happens in a run; override what interests you. Progress bars are callbacks."""

    def on_start(self, start: RunStart) -> None:
        """Before the first step."""

    def on_step(self, report: StepReport) -> None:
        """After every step."""

    def on_evaluate(self, step: int, metrics: Mapping[str, float]) -> None:
        """After every evaluation."""

    def on_checkpoint(self, step: int, directory: Path) -> None:
        """After every checkpoint, when it is whole and on the disk."""

    def on_message(self, text: str) -> None:
        """Something the user must know: a damaged checkpoint, a skipped step."""

    def on_end(self) -> None:
        """After the last step, also when the run ends by an error."""
