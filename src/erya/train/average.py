"""A running mean of the weights: what a long decay of the learning rate does, at every moment."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from erya.train.recipe import AverageRecipe, EqualMeanRecipe

_NUM_UPDATES = "num_updates"


class Average(ABC):
    """A mean of what the trainable parameters of a module were after each step.

    Args:
        module: whose parameters; the mean begins as a copy of them, spread over ranks as they are.
    """

    def __init__(self, module: nn.Module) -> None:
        self._num_updates = torch.zeros((), dtype=torch.int64)
        self._weights = {name: value for name, value in module.named_parameters() if value.requires_grad}
        self._means = {name: value.detach().clone() for name, value in self._weights.items()}

    @torch.no_grad()
    def update(self, progress: float) -> None:
        """Draw the mean towards the weights; after every step that was taken.

        Args:
            progress: how much of the training length was behind before that step, in [0, 1].
        """
        stays = self._stays(progress)
        torch._foreach_lerp_([*self._means.values()], [*self._weights.values()], 1 - stays)

    @abstractmethod
    def _stays(self, progress: float) -> float:
        """Count an update; which share of the mean stays, in [0, 1]."""

    def state_dict(self) -> dict[str, Tensor]:
        """The mean of each parameter under its name, and how many updates there were.

        Whoever changes these tensors changes the average: it is loaded by copying into them.
        """
        return {**self._means, _NUM_UPDATES: self._num_updates}

    @torch.no_grad()
    def put(self) -> None:
        """Put the mean into the module for good."""
        for name, weight in self._weights.items():
            weight.copy_(self._means[name])

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """The module has the mean meanwhile, to be evaluated or saved; afterwards its own weights again."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        # Contents, not tensors: optimisers and engines that spread a model hold on to the tensors.
        for name, weight in self._weights.items():
            kept = weight.detach().clone()
            weight.copy_(self._means[name])
            self._means[name].copy_(kept)


class MovingAverage(Average):
    """The exponential moving average: a step counts less the longer it is ago.

    At the n-th update no more than (1 + n) / (10 + n) of the mean stays, so that the random beginning is
    forgotten as soon as there is something better.

    Args:
        module: as `Average` has it.
        decay: what stays of the mean at an update, at most, in (0, 1).
    Source: Polyak & Juditsky 1992; Tarvainen & Valpola 2017, Mean teachers, section 2.
    """

    def __init__(self, module: nn.Module, *, decay: float) -> None:
        super().__init__(module)
        self._decay = decay

    def _stays(self, progress: float) -> float:
        self._num_updates += 1
        number = int(self._num_updates)
        return min(self._decay, (1 + number) / (10 + number))


class EqualAverage(Average):
    """Stochastic weight averaging: all steps of the last part of training count the same.

    Until that part begins, the mean is the weights as they are.

    Args:
        module: as `Average` has it.
        start_ratio: share of the training length before the first step that counts, in [0, 1).
    Source: Izmailov et al. 2018, Averaging Weights Leads to Wider Optima and Better Generalization,
        section 3.2, with every step instead of the last of each cycle.
    """

    def __init__(self, module: nn.Module, *, start_ratio: float) -> None:
        super().__init__(module)
        self._start_ratio = start_ratio

    def _stays(self, progress: float) -> float:
        if progress < self._start_ratio:
            return 0.0
        self._num_updates += 1
        return 1 - 1 / int(self._num_updates)


def build_average(module: nn.Module, recipe: AverageRecipe | None) -> Average | None:
    """The mean a recipe asks for; None where it asks for none."""
    if recipe is None:
        return None
    if isinstance(recipe, EqualMeanRecipe):
        return EqualAverage(module, start_ratio=recipe.start_ratio)
    return MovingAverage(module, decay=recipe.decay)
