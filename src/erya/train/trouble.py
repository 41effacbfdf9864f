"""The account of steps that were not taken, and when there were too many of them."""

from __future__ import annotations

from pathlib import Path

from erya.errors import TrainingError
from erya.train.directory import CHECKPOINTS_DIRECTORY
from erya.train.guard import Guard
from erya.train.recipe import TrainRecipe
from erya.train.state import RunState, Skip
from erya.train.step import Refuse, StepResult

_SMALLER = "a smaller train.learning_rate, or set train.clip_norm lower or train.precision=float32"
_ADVICE = f"the last checkpoint is whole: go on with {_SMALLER}; start over for a longer warm-up"
_ADVICE_AT_FIRST = f"there is no checkpoint yet: start again with {_SMALLER} or train.warmup_ratio higher"


class Trouble:
    """Keeps the skip list of a run, watches its losses, ends it when it does not get on.

    Args:
        recipe: what is done about a step that cannot be taken, and how often.
        state: of the run; its lists are changed.
        directory: of the run, for the errors.
    """

    def __init__(self, recipe: TrainRecipe, state: RunState, *, directory: Path) -> None:
        self._recipe, self._state, self._directory = recipe, state, directory
        self._guard = None if recipe.guard is None else Guard(recipe.guard, state.losses)

    @property
    def refuse(self) -> Refuse | None:
        """Says why a step with this loss must not be taken; None where losses are not watched."""
        return None if self._guard is None else self._guard.refuse

    def count(self, result: StepResult) -> Skip | None:
        """Count a step; the state still names its batch.

        Returns:
            The entry in the skip list, or None for a step that was taken.
        """
        state = self._state
        if result.fault is None:
            state.skips_in_row = 0
            if self._guard is not None:
                self._guard.accept(result.loss)
            return None
        state.skips_in_row += 1
        state.skips.append(Skip(step=state.step, epoch=state.epoch, batch=state.batch, cause=result.fault))
        return state.skips[-1]

    def wants_rewind(self, skip: Skip | None) -> bool:
        """Whether the weights are to go back to the last checkpoint."""
        guard = self._recipe.guard
        return skip is not None and guard is not None and guard.action == "rewind"

    def stop_when_stuck(self) -> None:
        """End the run where too many steps were not taken.

        Raises:
            TrainingError: with the cause of the last.
        """
        state, guard = self._state, self._recipe.guard
        if state.skips_in_row >= self._recipe.max_skips_in_row:
            said = f"{state.skips_in_row} steps in a row were skipped"
        elif state.skips_in_row and guard is not None and len(state.skips) >= guard.limit:
            said = f"{len(state.skips)} steps of the run were skipped, the limit of train.guard.limit"
        else:
            return
        last = state.skips[-1]
        has_checkpoint = any((self._directory / CHECKPOINTS_DIRECTORY).glob("step-*"))
        raise TrainingError(
            f"{said}: {last.cause}",
            where=f"step {last.step}, epoch {last.epoch}, batch {last.batch} of {self._directory}",
            hint=_ADVICE if has_checkpoint else _ADVICE_AT_FIRST,
        )
