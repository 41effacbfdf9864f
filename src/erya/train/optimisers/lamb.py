"""LAMB: Adam whose step is in proportion to what it changes, for very large batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class Lamb(Optimizer):
    """Adam's direction and weight decay, stretched to the length of the parameter itself.

    Only matrices are stretched: a bias that begins at zero could not move.

    Args:
        params: parameter groups with their `weight_decay`.
        lr: the learning rate: by which share of its length a parameter moves in a step.
        betas: decay of the running means of the gradient and its square.
        eps: guard against division by zero.
    Source: You et al. 2020, Large Batch Optimization for Deep Learning, algorithm 2, with phi(x) = x.
    """

    def __init__(
        self, params: Iterable[dict[str, Any]], *, lr: float, betas: tuple[float, float], eps: float
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Change the parameters by their gradients; `closure` is what torch's schedulers expect, unused."""
        assert closure is None, "losses are not computed anew"
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._step(parameter, parameter.grad, group)

    def _step(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            # A tensor, as torch's own optimisers have it: so it is saved and spread like the others.
            state["step"] = torch.zeros(())
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        first, second = group["betas"]
        state["step"] += 1
        step = float(state["step"])
        state["exp_avg"].lerp_(gradient, 1 - first)
        state["exp_avg_sq"].mul_(second).addcmul_(gradient, gradient, value=1 - second)
        root = (state["exp_avg_sq"] / (1 - second**step)).sqrt_().add_(group["eps"])
        update = (state["exp_avg"] / (1 - first**step)).div_(root)
        update.add_(parameter, alpha=group["weight_decay"])
        if parameter.ndim >= 2:
            update.mul_(_ratio(parameter, update))
        parameter.add_(update, alpha=-group["lr"])


def _ratio(parameter: Tensor, update: Tensor) -> Tensor:
    """Length of the parameter by length of the update, 0-dimensional; 1 where either is zero."""
    own, step = torch.linalg.vector_norm(parameter), torch.linalg.vector_norm(update)
    return torch.where((own > 0) & (step > 0), own / step, torch.ones_like(own))
