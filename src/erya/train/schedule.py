"""How long a run is, and the learning rate on the way."""

from __future__ import annotations

import math
from typing import Literal

from erya.errors import ConfigError
from erya.train.protocols import Source
from erya.train.recipe import TrainRecipe
from erya.train.state import RunState


class Length:
    """The length of a run: whichever of the recipe's lengths is reached first.

    Attributes:
        total_steps: the last step where steps or epochs say it; None when only tokens or time do.
    Raises:
        ConfigError: warm-up is given in steps, but the length is not.
    """

    def __init__(self, recipe: TrainRecipe, source: Source) -> None:
        limits = [] if recipe.steps is None else [recipe.steps]
        if recipe.epochs is not None:
            limits.append(sum(source.num_batches(epoch) for epoch in range(recipe.epochs)))
        self.total_steps = min(limits, default=None)
        self._recipe = recipe
        if recipe.warmup_steps is not None and self.total_steps is None:
            raise ConfigError(
                "warmup_steps needs a length in steps or epochs", hint="set warmup_ratio, or steps"
            )

    def reached(self, state: RunState) -> bool:
        """Whether the run is over."""
        return self.progress(state) >= 1.0

    def progress(self, state: RunState) -> float:
        """How much of the length is behind, in [0, 1]."""
        return self._share(state.step, state.tokens, state.seconds)

    def learning_rate(self, state: RunState) -> float:
        """The learning rate of the next step.

        It is read off in the middle of the step, so that neither the first nor the last is taken with a
        rate of zero.
        """
        recipe = self._recipe
        middle = self._share(state.step + 0.5, state.tokens + recipe.batch_tokens / 2, state.seconds)
        warmup = recipe.warmup_ratio
        if recipe.warmup_steps is not None:
            assert self.total_steps is not None, "checked when the length was made"
            warmup = recipe.warmup_steps / self.total_steps
        return recipe.learning_rate * rate_factor(
            middle, warmup=warmup, schedule=recipe.schedule, final=recipe.final_lr_ratio
        )

    def _share(self, step: float, tokens: float, seconds: float) -> float:
        shares = [0.0 if self.total_steps is None else step / self.total_steps]
        if self._recipe.max_tokens is not None:
            shares.append(tokens / self._recipe.max_tokens)
        if self._recipe.max_time_s is not None:
            shares.append(seconds / self._recipe.max_time_s)
        return min(1.0, max(shares))


def rate_factor(
    progress: float, *, warmup: float, schedule: Literal["linear", "cosine", "constant"], final: float
) -> float:
    """Learning rate as a share of the greatest.

    Args:
        progress: how much of the run is behind, in [0, 1].
        warmup: share of the run in which the rate rises from 0 to 1.
        schedule: the shape of the fall from 1 to `final` in the rest of the run; `constant` does not fall.
        final: the share at the end, in [0, 1].
    """
    if progress < warmup:
        return progress / warmup
    if schedule == "constant" or warmup >= 1:
        return 1.0
    fallen = (progress - warmup) / (1 - warmup)
    if schedule == "cosine":
        fallen = (1 - math.cos(math.pi * fallen)) / 2
    return 1 - (1 - final) * fallen
