"""Muon: steps that turn a matrix in all directions alike.

A rows, B columns, G matrices.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_STEPS = 5
_EPS = 1e-7
# So many numbers are orthogonalised at once on a GPU: enough to fill it, little beside the activations.
_AT_ONCE = 2**25


class Muon(Optimizer):
    """Momentum, with each update made orthogonal (nearly) before it is taken.

    `torch.optim.Muon`, but with matrices that lie stacked in one parameter (queries, keys and values; the two
    halves of a gated layer) orthogonalised each for itself, and on a GPU all of one shape at once.

    Args:
        params: parameter groups; `num_stacked` of a group is how many matrices are stacked along the rows of
            each of its parameters.
        lr: the learning rate.
        momentum: decay of the running mean of the gradient, in [0, 1); as Nesterov's.
        weight_decay: decoupled.
        match_adamw: whether an update is scaled to the size AdamW's have, 0.2 a number, instead of having
            singular values of about max(1, A / B) ** 0.5.
        dtype: of the matrix products.
    Source: Jordan et al. 2024, Muon: An optimizer for hidden layers; the scale: Liu et al. 2025, Muon is
        Scalable for LLM Training, section 2.2; stacked matrices apart: both.
    """

    def __init__(
        self,
        params: Iterable[dict[str, Any]],
        *,
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
        match_adamw: bool = True,
        dtype: torch.dtype = torch.bfloat16,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "num_stacked": 1}
        super().__init__(params, defaults)
        self._match_adamw, self._dtype = match_adamw, dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Change the parameters by their gradients; `closure` is what torch's schedulers expect, unused."""
        assert closure is None, "losses are not computed anew"
        for group in self.param_groups:
            params = [parameter for parameter in group["params"] if parameter.grad is not None]
            for some in _alike(params):
                self._step_alike(some, group)

    def _step_alike(self, params: list[Tensor], group: dict[str, Any]) -> None:
        """A step of parameters that have one shape."""
        directions = orthogonalise(
            torch.stack(
                [whole(update).to(self._dtype) for update in self._updates(params, group["momentum"])]
            ),
            num_stacked=group["num_stacked"],
        )
        rows, columns = directions.shape[-2] // group["num_stacked"], directions.shape[-1]
        scale = (
            0.2 * math.sqrt(max(rows, columns)) if self._match_adamw else math.sqrt(max(1, rows / columns))
        )
        for parameter, direction in zip(params, directions, strict=True):
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.add_(like(direction, parameter), alpha=-group["lr"] * scale)

    def _updates(self, params: list[Tensor], momentum: float) -> Iterator[Tensor]:
        """What momentum makes of the gradients."""
        for parameter in params:
            state, gradient = self.state[parameter], parameter.grad
            assert gradient is not None
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = torch.zeros_like(gradient)
            mean = state["momentum_buffer"].lerp_(gradient, 1 - momentum)
            yield gradient.lerp(mean, momentum)


def orthogonalise(matrices: Tensor, *, num_stacked: int = 1) -> Tensor:
    """Bring the singular values of matrices near 1, by five rounds of Newton and Schulz.

    Args:
        matrices: shape (G, num_stacked * A, B); what they are computed in is their dtype.
        num_stacked: matrices stacked along the rows, each orthogonalised for itself.
    Returns:
        The same shape, singular values about in [0.7, 1.2].
    Source: Jordan et al. 2024, Muon.
    """
    a, b, c = _COEFFICIENTS
    x = matrices.reshape(-1, matrices.shape[-2] // num_stacked, matrices.shape[-1])
    is_tall = x.shape[-2] > x.shape[-1]
    if is_tall:
        x = x.mT
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=_EPS)
    for _ in range(_STEPS):
        square = torch.bmm(x, x.mT)
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return (x.mT if is_tall else x).reshape(matrices.shape)


def whole(tensor: Tensor) -> Tensor:
    """A tensor that may be spread over ranks, put together on each of them."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def like(tensor: Tensor, other: Tensor) -> Tensor:
    """A tensor all ranks have, spread over them as `other` is."""
    if not isinstance(other, DTensor):
        return tensor
    return distribute_tensor(tensor, other.device_mesh, other.placements, src_data_rank=None)


def _alike(params: list[Tensor]) -> Iterator[list[Tensor]]:
    """Runs of parameters of one shape, not too many numbers together; on a CPU one: it stays in the cache."""
    by_shape: dict[torch.Size, list[Tensor]] = {}
    for parameter in params:
        by_shape.setdefault(parameter.shape, []).append(parameter)
    for some in by_shape.values():
        step = 1 if some[0].device.type == "cpu" else max(1, _AT_ONCE // some[0].numel())
        yield from (some[start : start + step] for start in range(0, len(some), step))
