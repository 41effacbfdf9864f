"""Losses as sums with counts, so that a step divides once by its global count.

M predictions, V classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

# Rows of a vocabulary-wide matrix turned into float32 at a time: small enough to stay in the cache.
_CHUNK_ROWS = 32


@dataclass(frozen=True, slots=True)
class LossTerm:
    """One part of a loss.

    Attributes:
        name: what metrics call it.
        total: the sum over its targets, a scalar tensor that can be differentiated.
        count: how many targets the sum runs over.
        weight: its weight in the step's loss.
    """

    name: str
    total: Tensor
    count: int
    weight: float = 1.0


def summed_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy summed over rows, in float32 whatever the format of the logits.

    Args:
        logits: shape (M, V).
        labels: class of each row, int64, shape (M,).
    Returns:
        A float32 scalar.
    """
    if logits.device.type != "cpu" or logits.dtype == torch.float32:
        return functional.cross_entropy(logits.float(), labels, reduction="sum")
    loss: Tensor = _ChunkedCrossEntropy.apply(logits, labels)  # type: ignore[no-untyped-call]
    return loss


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Cross-entropy of half-precision logits on a CPU, a few rows in float32 at a time.

    A float32 copy of all logits would cost three times the time and twice the memory of the logits.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor) -> Tensor:
        total = torch.zeros((), dtype=torch.float32)
        probs = torch.empty_like(logits)
        for start in range(0, len(logits), _CHUNK_ROWS):
            rows = slice(start, start + _CHUNK_ROWS)
            log_probs = torch.log_softmax(logits[rows].float(), dim=-1)
            total -= log_probs.gather(1, labels[rows, None]).sum()
            probs[rows] = log_probs.exp_()
        ctx.save_for_backward(probs, labels)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        probs, labels = ctx.saved_tensors
        grad = probs.clone()
        grad[torch.arange(len(labels)), labels] -= 1.0
        return grad.mul_(grads[0].to(grad.dtype)), None
