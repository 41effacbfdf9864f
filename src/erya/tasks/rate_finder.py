"""Which learning rate to begin with: the loss over a few hundred steps while the rate rises."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from erya.errors import ConfigError, TrainingError
from erya.runtime import generator, pick_dtype
from erya.train.ahead import next_place
from erya.train.machine import use_processor
from erya.train.micro_batches import MicroBatches
from erya.train.optimisers.build import build_optimiser
from erya.train.parallel import whole
from erya.train.protocols import Source, Tell, Trainable
from erya.train.ranks import environment_ranks, own_device
from erya.train.recipe import TrainRecipe
from erya.train.state import RunState
from erya.train.step import take_step

_DROPOUT = 0xF1D8  # keeps this stream of random numbers apart from others with the same seed
_REMEMBERED = 0.95  # share of the running mean that stays at a step, while it is watched for a leap
_NEAR = 0.85  # the same for the curve, whose slope is read off
_DIVERGED = 4.0  # times the least smoothed loss
_FEWEST = 10  # points without which a curve says nothing


@dataclass(frozen=True, slots=True)
class RateCurve:
    """The loss over rising rates, P points.

    Attributes:
        rates: learning rates, float64, shape (P,), rising.
        losses: of the step taken with each, float64, shape (P,).
        smoothed: their mean over neighbours, float64, shape (P,); what leaps up is cut off before.
        steepest: the rate at which the loss falls fastest; None where it never falls.
        diverged: the rate at which the loss leaps up; None where it does not.
    """

    rates: NDArray[np.float64]
    losses: NDArray[np.float64]
    smoothed: NDArray[np.float64]
    steepest: float | None
    diverged: float | None

    @property
    def tenth(self) -> float | None:
        """A tenth of the rate at which the loss leaps up."""
        return None if self.diverged is None else self.diverged / 10

    @property
    def suggestion(self) -> float | None:
        """Where the loss falls fastest, but no more than a tenth of where it leaps up; None where the loss
        never falls."""
        if self.steepest is None or self.tenth is None:
            return self.steepest
        return min(self.steepest, self.tenth)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON values."""
        return {
            "suggestion": self.suggestion,
            "steepest": self.steepest,
            "tenth_of_divergence": self.tenth,
            "diverged": self.diverged,
            "rates": self.rates.tolist(),
            "losses": self.losses.tolist(),
            "smoothed": self.smoothed.tolist(),
        }


def find_rate(
    trainable: Trainable,
    source: Source,
    *,
    recipe: TrainRecipe,
    lowest: float = 1e-7,
    highest: float = 1.0,
    num_steps: int = 200,
    progress: Callable[[int, float], None] = lambda step, loss: None,
    tell: Tell,
) -> RateCurve:
    """Raise the learning rate from `lowest` to `highest`, a constant factor a step, and watch the loss.

    The module has its former weights again afterwards, and nothing is written.

    Args:
        trainable: the model and its losses, as a run would begin with it.
        source: the training data, from its beginning.
        recipe: how to train; its schedule and length do not matter here.
        lowest: first rate, above 0.
        highest: last rate; the search ends before it where the loss leaps up.
        num_steps: of the whole range.
        progress: is told each step, from 1, and its smoothed loss.
        tell: is given sentences a user should read.
    Raises:
        ConfigError: the range is empty, there are too few steps, or several processes train.
        TrainingError: the loss is not finite from the beginning.
    Source: Smith 2017, Cyclical Learning Rates for Training Neural Networks, section 3.3.
    """
    if not 0 < lowest < highest or num_steps < _FEWEST:
        raise ConfigError(f"rates from {lowest:g} to {highest:g} in {num_steps} steps cannot be tried")
    if not environment_ranks().is_alone:
        raise ConfigError("the learning rate is looked for by one process", hint="run it without torchrun")
    device = own_device(recipe.device)
    use_processor(recipe.threads)
    trainable.module.to(device).train()
    rates = np.geomspace(lowest, highest, num_steps)
    losses: list[float] = []
    with torch.random.fork_rng(devices=[]), _restored(trainable.module):
        means = _Smoothed()
        for loss in _losses(trainable, source, recipe, rates, device, tell):
            losses.append(loss)
            progress(len(losses), means.add(loss))
            if means.has_diverged:
                break
    return curve_of(rates[: len(losses)], np.array(losses))


def curve_of(rates: NDArray[np.float64], losses: NDArray[np.float64]) -> RateCurve:
    """Read off where losses fall fastest and where they leap up.

    Args:
        rates: shape (P,), rising.
        losses: shape (P,); of a loss that is not finite, and of those after it, nothing is used.
    Raises:
        TrainingError: too few of the losses are finite.
    """
    finite = np.isfinite(losses)
    number = len(losses) if finite.all() else int(finite.argmin())
    if number < _FEWEST:
        raise TrainingError(
            f"the loss is {losses[number]:g} at a learning rate of {rates[number]:.1g}",
            hint="the model or the data cannot be trained on as they are; or begin at a lower rate",
        )
    means = _Smoothed()
    for loss in losses[:number].tolist():
        means.add(loss)
    leapt = number < len(losses) or means.has_diverged
    smoothed = _both_ways(losses[:number])
    return RateCurve(
        rates=rates[:number],
        losses=losses[:number],
        smoothed=smoothed,
        steepest=_steepest(rates[:number], smoothed),
        diverged=float(rates[min(number, len(rates) - 1)]) if leapt else None,
    )


def _both_ways(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Running means from the left and then from the right: one alone would lag behind, by half a decade."""
    kept = np.minimum(losses, 2 * float(np.median(losses[:_FEWEST])))
    for _ in range(2):
        means = _Smoothed(_NEAR)
        kept = np.array([means.add(loss) for loss in kept.tolist()])[::-1]
    return kept


def _steepest(rates: NDArray[np.float64], smoothed: NDArray[np.float64]) -> float | None:
    """The rate of the steepest fall before the least loss; the first tenth is too noisy to count."""
    first, least = len(rates) // 10, int(smoothed.argmin())
    if least <= first + 1:
        return None
    slopes = np.gradient(smoothed, np.log(rates))[first:least]
    place = first + int(slopes.argmin())
    return float(rates[place]) if slopes.min() < 0 else None


class _Smoothed:
    """A running mean of losses without the bias of its beginning, and whether it has leapt up."""

    def __init__(self, remembered: float = _REMEMBERED) -> None:
        self._remembered = remembered
        self._sum, self._weight, self._least, self._number = 0.0, 0.0, math.inf, 0
        self.has_diverged = False

    def add(self, loss: float) -> float:
        """The mean with `loss` in it."""
        self._number += 1
        self._sum = self._remembered * self._sum + (1 - self._remembered) * loss
        self._weight = self._remembered * self._weight + 1 - self._remembered
        mean = self._sum / self._weight
        leaps = not math.isfinite(mean) or mean > _DIVERGED * self._least
        self.has_diverged |= leaps and (self._number > _FEWEST or not math.isfinite(mean))
        self._least = min(self._least, mean)
        return mean


@contextmanager
def _restored(module: nn.Module) -> Iterator[None]:
    """Afterwards `module` has the weights and buffers it has now, and no gradients."""
    kept = {name: tensor.detach().clone() for name, tensor in module.state_dict(keep_vars=True).items()}
    try:
        yield
    finally:
        with torch.no_grad():
            for name, tensor in module.state_dict(keep_vars=True).items():
                tensor.copy_(kept[name])
        module.zero_grad(set_to_none=True)


def _losses(
    trainable: Trainable,
    source: Source,
    recipe: TrainRecipe,
    rates: NDArray[np.float64],
    device: torch.device,
    tell: Tell,
) -> Iterator[float]:
    """The loss of the step taken with each rate, one after the other."""
    spread, dtype = whole(trainable.module), pick_dtype(recipe.precision, device)
    optimiser = build_optimiser(trainable.module, recipe)
    autocast = torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)
    pieces = MicroBatches(recipe, RunState(), spread=spread, device=device, tell=tell)
    pieces.guess(trainable, source, autocast)
    epoch = index = 0
    for step, rate in enumerate(rates.tolist()):
        optimiser.set_rate(rate / recipe.learning_rate)
        result = take_step(
            trainable,
            source.batch(epoch, index, pieces.share),
            optimiser,
            spread=spread,
            autocast=autocast,
            clip_norm=recipe.clip_norm,
            seed=int(generator(_DROPOUT, recipe.seed, step).integers(2**63)),
        )
        yield result.loss if result.fault is None else math.nan
        epoch, index = next_place(source, epoch, index)
