"""A running mean of the weights: what a long decay of the learning rate does, at every moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

_NUM_UPDATES = "num_updates"


class Average:
    """An exponential moving average of the trainable parameters of a module.

    At the n-th update no more than (1 + n) / (10 + n) of the mean stays, so that the random beginning is
    forgotten as soon as there is something better.

    Args:
        module: whose parameters; the mean begins as a copy of them, spread over ranks as they are.
        decay: what stays of the mean at an update, at most, in (0, 1).
    Source: Polyak & Juditsky 1992; Tarvainen & Valpola 2017, Mean teachers, section 2.
    """

    def __init__(self, module: nn.Module, *, decay: float) -> None:
        self._decay, self._num_updates = decay, torch.zeros((), dtype=torch.int64)
        self._weights = {name: value for name, value in module.named_parameters() if value.requires_grad}
        self._means = {name: value.detach().clone() for name, value in self._weights.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Draw the mean towards the weights; after every step that was taken."""
        self._num_updates += 1
        number = int(self._num_updates)
        stays = min(self._decay, (1 + number) / (10 + number))
        torch._foreach_lerp_([*self._means.values()], [*self._weights.values()], 1 - stays)

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
