"""How long a run is, and the learning rate on the way."""

from __future__ import annotations

import math
from typing import Literal

from erya.errors import ConfigError
from erya.train.protocols import Source
from erya.train.recipe import TrainRecipe
from erya.train.state import RunState

Schedule = Literal["linear", "cosine", "constant", "wsd"]


class Length:
    """The length of a run: whichever of the recipe's lengths is reached first.

    Attributes:
        total_steps: the last step where steps or epochs say it; None when only tokens or time do.
    Raises:
        ConfigError: warm-up is given in steps or tokens, but the length is not, and the schedule has to know
            which part of the run it is.
    """

    def __init__(self, recipe: TrainRecipe, source: Source) -> None:
        limits = [] if recipe.steps is None else [recipe.steps]
        if recipe.epochs is not None:
            limits.append(sum(source.num_batches(epoch) for epoch in range(recipe.epochs)))
        self.total_steps = min(limits, default=None)
        self._recipe = recipe
        self._warmup = self._warmup_share()

    def reached(self, state: RunState) -> bool:
        """Whether the run is over."""
        return self.progress(state) >= 1.0

    @property
    def doubt(self) -> str | None:
        """What a user should know about the schedule, if anything."""
        recipe = self._recipe
        for key, warmup, total in (
            ("warmup_steps", recipe.warmup_steps, self.total_steps),
            ("warmup_tokens", recipe.warmup_tokens, recipe.max_tokens),
        ):
            if warmup is not None and total is not None and warmup > total:
                return f"warning: train.{key} is {warmup:,}, longer than the run: the rate never gets up"
        return None

    def progress(self, state: RunState) -> float:
        """How much of the length is behind, in [0, 1]."""
        return self._share(state.step, state.tokens, state.seconds)

    def rate_factor(self, state: RunState) -> float:
        """The learning rate of the next step as a share of the greatest, in [0, 1].

        It is read off in the middle of the step, so that neither the first nor the last is taken with a
        rate of zero.
        """
        recipe = self._recipe
        budget = recipe.batch_tokens
        if recipe.batch_ramp is not None:
            budget = recipe.batch_ramp.ramp().budget(state.tokens, full=budget)
        step, tokens = state.step + 0.5, state.tokens + budget / 2
        middle = self._share(step, tokens, state.seconds + state.seconds / max(1, state.step) / 2)
        if recipe.warmup_steps is not None:
            risen = step / recipe.warmup_steps if recipe.warmup_steps else 1.0
        elif recipe.warmup_tokens is not None:
            risen = tokens / recipe.warmup_tokens if recipe.warmup_tokens else 1.0
        else:
            risen = middle / recipe.warmup_ratio if recipe.warmup_ratio else 1.0
        fallen = falling(
            middle,
            warmup=self._warmup,
            schedule=recipe.schedule,
            final=recipe.final_lr_ratio,
            decay_ratio=recipe.decay_ratio,
        )
        return min(risen, fallen)

    def _warmup_share(self) -> float:
        """Which share of the run warm-up is; 0 where the schedule need not know."""
        recipe = self._recipe
        if recipe.schedule in ("constant", "wsd"):
            return 0.0
        for key, warmup, total, units in (
            ("warmup_steps", recipe.warmup_steps, self.total_steps, "steps or epochs"),
            ("warmup_tokens", recipe.warmup_tokens, recipe.max_tokens, "tokens"),
        ):
            if warmup is None:
                continue
            if total is None:
                raise ConfigError(
                    f"{key} needs a length in {units} when schedule is {recipe.schedule}",
                    hint="set warmup_ratio, the length in the same unit, or schedule to wsd or constant",
                )
            return min(1.0, warmup / total)
        return recipe.warmup_ratio

    def _share(self, step: float, tokens: float, seconds: float) -> float:
        shares = [0.0 if self.total_steps is None else step / self.total_steps]
        if self._recipe.max_tokens is not None:
            shares.append(tokens / self._recipe.max_tokens)
        if self._recipe.max_time_s is not None:
            shares.append(seconds / self._recipe.max_time_s)
        return min(1.0, max(shares))


def falling(progress: float, *, warmup: float, schedule: Schedule, final: float, decay_ratio: float) -> float:
    """How far the learning rate has fallen, as a share of the greatest; the rise of warm-up is not in it.

    Args:
        progress: how much of the run is behind, in [0, 1].
        warmup: share of the run that is warm-up; a line and a cosine begin to fall after it.
        schedule: the shape of the fall from 1 to `final`; `constant` does not fall, `wsd` not until the end.
        final: the share at the end, in [0, 1].
        decay_ratio: share of the run in which `wsd` falls, in (0, 1].
    Source: for `wsd`, Hu et al. 2024, MiniCPM, section 4; 1 - sqrt: Haegele et al. 2024, Scaling Laws and
        Compute-Optimal Training Beyond Fixed Training Durations.
    """
    if schedule == "constant":
        return 1.0
    start = 1 - decay_ratio if schedule == "wsd" else warmup
    if progress <= start:
        return 1.0
    fallen = (progress - start) / (1 - start)
    if schedule == "cosine":
        fallen = (1 - math.cos(math.pi * fallen)) / 2
    elif schedule == "wsd":
        fallen = math.sqrt(fallen)
    return 1 - (1 - final) * fallen
