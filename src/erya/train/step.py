"""One optimiser step over the micro-batches of a global batch, on all ranks together."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor

from erya.data.batches import PackedBatch
from erya.train.optimisers.members import Optimisers
from erya.train.parallel import Spread
from erya.train.protocols import LossTerm, Trainable

Refuse = Callable[[float, float], str | None]

_TERM, _TOKENS, _SEQUENCES = "term.", "tokens", "sequences"  # keys of what is counted


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step found.

    Attributes:
        loss: weighted sum of the terms, each divided by its global count.
        grad_norm: length of the gradient before clipping.
        fault: why the weights were left alone; None for a step that was taken.
        tokens: in the global batch.
        sequences: in the global batch.
    """

    loss: float
    grad_norm: float
    fault: str | None
    tokens: int
    sequences: int


def take_step(
    trainable: Trainable,
    micro_batches: Sequence[PackedBatch],
    optimiser: Optimisers,
    *,
    spread: Spread,
    autocast: AbstractContextManager[object],
    clip_norm: float,
    seed: int,
    refuse: Refuse | None = None,
) -> StepResult:
    """Learn from one global batch.

    Every loss term is divided by its count over ALL micro-batches of ALL ranks, and gradients are summed, so
    the step is the same however the batch is split. Dropout is drawn from `seed` alone: a step can be
    replayed without replaying those before it.

    Args:
        trainable: the model and its losses.
        micro_batches: what this rank computes of the global batch; as many as every other rank has.
        optimiser: over the parameters of `spread.module`, its learning rate set.
        spread: the trainable's module, over the ranks.
        autocast: entered around each forward pass; must be re-enterable.
        clip_norm: a longer gradient is shortened to this.
        seed: of dropout; another on every rank.
        refuse: says why a step with this loss and length of the gradient, both finite, is not to be taken.
    """
    torch.manual_seed(seed)
    counts, ranks = Counter[str](), spread.ranks
    for batch in micro_batches:
        counts.update(_counts(trainable, batch))
    counts = Counter(ranks.sum_counts(counts))
    optimiser.zero_grad(set_to_none=True)
    loss = torch.zeros(())
    for place, batch in enumerate(micro_batches, 1):
        with spread.accumulating(is_last=place == len(micro_batches)):
            with autocast:
                share = _share_of_loss(spread(trainable.inputs(batch)), counts)
            if batch.is_idle:
                share = share * 0.0
            share.backward()  # type: ignore[no-untyped-call]
        loss = loss.to(share.device) + share.detach()
    grad_norm = spread.clip(clip_norm)
    loss_value, norm_value = torch.stack([ranks.add_up(loss), grad_norm]).tolist()
    fault = find_fault(spread, loss_value, norm_value)
    if fault is None and refuse is not None:
        fault = refuse(loss_value, norm_value)
    if fault is None:
        optimiser.step()
    return StepResult(
        loss=loss_value,
        grad_norm=norm_value,
        fault=fault,
        tokens=counts[_TOKENS],
        sequences=counts[_SEQUENCES],
    )


def _counts(trainable: Trainable, batch: PackedBatch) -> Mapping[str, int]:
    """What is counted of a micro-batch: targets by term, tokens, sequences; all zero for an idle one."""
    counts = {_TERM + name: count for name, count in trainable.counts(batch).items()}
    counts |= {_TOKENS: batch.num_tokens, _SEQUENCES: batch.num_sequences}
    return dict.fromkeys(counts, 0) if batch.is_idle else counts


def _share_of_loss(terms: Sequence[LossTerm], counts: Mapping[str, int]) -> Tensor:
    """What one micro-batch adds to the loss of the step, 0-dimensional."""
    unknown = {term.name for term in terms if _TERM + term.name not in counts}
    assert not unknown, f"loss terms that were not counted: {unknown}"
    shares = [term.total.float() * (term.weight / max(counts[_TERM + term.name], 1)) for term in terms]
    return torch.stack(shares).sum()


def find_fault(spread: Spread, loss: float, grad_norm: float) -> str | None:
    """Why a step must not be taken, in a user's words; None when loss and gradient are finite."""
    if math.isfinite(loss) and math.isfinite(grad_norm):
        return None
    for name, parameter in spread.module.named_parameters():
        if not spread.is_finite(parameter):
            return f"the weights {name} are not finite"
    if not math.isfinite(loss):
        return f"the loss is {loss}"
    for name, parameter in spread.module.named_parameters():
        if parameter.grad is not None and not spread.is_finite(parameter.grad):
            return f"the gradient of {name} is not finite"
    return f"the length of the gradient is {grad_norm}"
