"""Saving a run and taking it up again, on all ranks together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from erya.errors import CheckpointError
from erya.train.average import Average
from erya.train.checkpoint import Checkpoints
from erya.train.optimisers.members import Optimisers
from erya.train.parallel import Spread
from erya.train.protocols import Callback, Tell
from erya.train.state import RunState


class Keeping:
    """What a run keeps of its weights, running means and state.

    Args:
        directory: of the checkpoints.
        keep: how many of the last ones stay.
        spread: the module and its ranks.
        optimiser: over its parameters.
        average: the running mean of the weights, where there is one.
        callbacks: told of checkpoints that are whole.
    """

    def __init__(
        self,
        directory: Path,
        *,
        keep: int,
        spread: Spread,
        optimiser: Optimisers,
        average: Average | None,
        callbacks: Sequence[Callback],
    ) -> None:
        self._checkpoints = Checkpoints(directory, keep=keep, ranks=spread.ranks)
        self._spread, self._optimiser, self._average = spread, optimiser, average
        self._ranks, self._callbacks = spread.ranks, callbacks

    def latest(self, *, tell: Tell) -> tuple[RunState, dict[str, Any]] | None:
        """State and identity of the last whole checkpoint, which the first rank looks for.

        Raises:
            CheckpointError: there are checkpoints, but all are damaged.
            StorageError: the checkpoint begun last could not be written.
        """
        self.settle(wait=True)
        return self._ranks.broadcast(self._checkpoints.latest(tell=tell) if self._ranks.is_first else None)

    def load(self, step: int) -> None:
        """Take up the weights of a checkpoint and what goes with them.

        Raises:
            CheckpointError: it is of another model.
        """
        self._checkpoints.load(step, self._spread.module, self._optimiser, extra=self._extra())

    def save(self, state: RunState, *, identity: Mapping[str, Any]) -> None:
        """Begin to write the checkpoint of `state.step`.

        Raises:
            StorageError: the checkpoint begun before could not be written.
        """
        self.settle(wait=True)
        self._checkpoints.save(
            self._spread.module, self._optimiser, state, identity=identity, extra=self._extra()
        )

    @property
    def failed(self) -> bool:
        """Whether the checkpoint begun last could not be written; `settle` says why."""
        return self._checkpoints.failed

    def settle(self, *, wait: bool) -> None:
        """Tell of a checkpoint that has become whole, if `wait` of the one being written.

        Raises:
            StorageError: `wait`, and it could not be written.
        """
        step = self._checkpoints.settle(wait=wait)
        if step is not None:
            for callback in self._callbacks:
                callback.on_checkpoint(step, self._checkpoints.path(step))

    def take_final_weights(self, state: RunState) -> None:
        """Give the module the best weights, or the last; of a run with a running mean, the mean's.

        Raises:
            CheckpointError: the best checkpoint is damaged.
        """
        best = state.best_step
        if best is not None and best != state.step:
            self._require_whole(best, state)
            self._checkpoints.load(best, self._spread.module, None, extra=self._extra())
        if self._average is not None:
            self._average.put()
        self._spread.update_original()

    def close(self) -> None:
        """Wait for what is being written, whatever becomes of it."""
        self._checkpoints.close()

    def _require_whole(self, step: int, state: RunState) -> None:
        damage = self._checkpoints.damage(step) if self._ranks.is_first else None
        if (damage := self._ranks.broadcast(damage)) is not None:
            raise CheckpointError(
                f"the best checkpoint is damaged: {damage}",
                where=str(self._checkpoints.path(step)),
                hint=f"the last state is whole: {self._checkpoints.path(state.step)}",
            )

    def _extra(self) -> dict[str, Tensor]:
        """What is saved besides weights and the optimisers' state."""
        means = {} if self._average is None else self._average.state_dict()
        return {f"average.{name}": tensor for name, tensor in means.items()}
