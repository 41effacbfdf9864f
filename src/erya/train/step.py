"""One optimiser step over the micro-batches of a global batch."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from erya.data.batches import PackedBatch
from erya.train.optimisers.members import Optimisers
from erya.train.protocols import LossTerm, Trainable


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step found.

    Attributes:
        loss: weighted sum of the terms, each divided by its global count.
        grad_norm: length of the gradient before clipping.
        fault: why the weights were left alone; None for a step that was taken.
    """

    loss: float
    grad_norm: float
    fault: str | None


def take_step(
    trainable: Trainable,
    micro_batches: Sequence[PackedBatch],
    optimiser: Optimisers,
    *,
    autocast: AbstractContextManager[object],
    clip_norm: float,
    seed: int,
) -> StepResult:
    """Learn from one global batch.

    Every loss term is divided by its count over ALL micro-batches, so the step is the same however the batch
    is split. Dropout is drawn from `seed` alone: a step can be replayed without replaying those before it.

    Args:
        trainable: the model and its losses.
        micro_batches: the global batch.
        optimiser: over the module's parameters, its learning rate set.
        autocast: entered around each forward pass; must be re-enterable.
        clip_norm: a longer gradient is shortened to this.
        seed: of dropout.
    """
    torch.manual_seed(seed)
    counts = Counter[str]()
    for batch in micro_batches:
        counts.update({name: count * (not batch.is_idle) for name, count in trainable.counts(batch).items()})
    optimiser.zero_grad(set_to_none=True)
    loss = torch.zeros(())
    for batch in micro_batches:
        with autocast:
            share = _share_of_loss(trainable.module(trainable.inputs(batch)), counts)
        if batch.is_idle:
            share = share * 0.0
        share.backward()  # type: ignore[no-untyped-call]
        loss = loss.to(share.device) + share.detach()
    grad_norm = nn.utils.clip_grad_norm_(trainable.module.parameters(), clip_norm)
    loss_value, norm_value = torch.stack([loss, grad_norm]).tolist()
    fault = find_fault(trainable.module, loss_value, norm_value)
    if fault is None:
        optimiser.step()
    return StepResult(loss=loss_value, grad_norm=norm_value, fault=fault)


def _share_of_loss(terms: Sequence[LossTerm], counts: Mapping[str, int]) -> Tensor:
    """What one micro-batch adds to the loss of the step, 0-dimensional."""
    unknown = {term.name for term in terms} - counts.keys()
    assert not unknown, f"loss terms that were not counted: {unknown}"
    shares = [term.total.float() * (term.weight / max(counts[term.name], 1)) for term in terms]
    return torch.stack(shares).sum()


def find_fault(module: nn.Module, loss: float, grad_norm: float) -> str | None:
    """Why a step must not be taken, in a user's words; None when loss and gradient are finite."""
    if math.isfinite(loss) and math.isfinite(grad_norm):
        return None
    for name, parameter in module.named_parameters():
        if not bool(torch.isfinite(parameter).all()):
            return f"the weights {name} are not finite"
    if not math.isfinite(loss):
        return f"the loss is {loss}"
    for name, parameter in module.named_parameters():
        if parameter.grad is not None and not bool(torch.isfinite(parameter.grad).all()):
            return f"the gradient of {name} is not finite"
    return f"the length of the gradient is {grad_norm}"
