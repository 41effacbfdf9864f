"""Losses as sums with counts, so that a step divides once by its global count.

M predictions, H width of the states they are made from, V classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

# Rows of a vocabulary-wide matrix turned into float32 at a time: small enough to stay in the cache.
_CHUNK_ROWS = 32
# Logits there are at a time where no caller wants to see them.
_CHUNK_LOGITS = 1 << 25


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


def linear_cross_entropy(hidden: Tensor, weight: Tensor, bias: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of a linear layer's logits summed over rows, without a matrix of all the logits.

    Products are in autocast's number format, or in that of `hidden`; what follows them is in float32. Where
    gradients are wanted they are worked out at once, while a chunk's logits are there: what is kept for the
    backward pass is as large as states and weights are, however many rows there are.

    Args:
        hidden: states, shape (M, H); M may be 0.
        weight: shape (V, H).
        bias: shape (V,).
        labels: class of each row, int64, shape (M,).
    Returns:
        A float32 scalar; its gradient may be taken once.
    Source: Hsu et al. 2024, Liger Kernel, section 3.2; Wijmans et al. 2024, Cut Your Losses.
    """
    hidden = hidden.to(_product_dtype(hidden))
    if not (torch.is_grad_enabled() and any(x.requires_grad for x in (hidden, weight, bias))):
        return linear_cross_entropy_and_hits(hidden, weight, bias, labels, count_hits=False)[0]
    loss: Tensor = _LinearCrossEntropy.apply(hidden, weight, bias, labels)  # type: ignore[no-untyped-call]
    return loss


def linear_cross_entropy_and_hits(
    hidden: Tensor, weight: Tensor, bias: Tensor, labels: Tensor, *, count_hits: bool = True
) -> tuple[Tensor, Tensor]:
    """The same sum, and for how many rows the label has the greatest logit; neither can be differentiated.

    Args:
        count_hits: whether to look for them, which takes as long as a product; otherwise 0.
    Returns:
        A float32 and an int64 scalar.
    """
    total = torch.zeros((), device=hidden.device)
    hits = torch.zeros((), dtype=torch.int64, device=hidden.device)
    dtype = _product_dtype(hidden)
    with torch.no_grad(), torch.autocast(hidden.device.type, enabled=False):
        for rows, logits in _chunks_of_logits(hidden.to(dtype), weight.to(dtype), bias.to(dtype)):
            for part in _cached(logits):
                total -= _log_probs(logits[part]).gather(1, labels[rows][part, None]).sum()
            if count_hits:
                hits += (logits.argmax(dim=-1) == labels[rows]).sum()
    return total, hits


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, labels: Tensor) -> Tensor:
        with torch.autocast(hidden.device.type, enabled=False):
            total, *grads = _loss_with_gradients(hidden, weight, bias, labels)
        ctx.save_for_backward(*grads)
        ctx.weight_dtype = weight.dtype
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        # In place, since matrices as large as the vocabulary are dear to make; so they are used up. Torch
        # sees that, and refuses a second time.
        grad_hidden, grad_weight, grad_bias = ctx.saved_tensors
        scale = grads[0]
        grad_weight = grad_weight.to(ctx.weight_dtype).mul_(scale)
        return grad_hidden.mul_(scale), grad_weight, grad_bias.mul_(scale), None


def _loss_with_gradients(
    hidden: Tensor, weight: Tensor, bias: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The sum, and its gradients by states, weight and bias."""
    product_weight = weight.to(hidden.dtype)
    total = torch.zeros((), device=hidden.device)
    grad_hidden, grad_bias = torch.empty_like(hidden), torch.zeros_like(bias, dtype=torch.float32)
    grad_weight: Tensor | None = None
    for rows, logits in _chunks_of_logits(hidden, product_weight, bias.to(hidden.dtype)):
        total += _to_gradient(logits, labels[rows], grad_bias)
        torch.mm(logits, product_weight, out=grad_hidden[rows])
        of_chunk = logits.mT @ hidden[rows]
        # The sum over chunks is taken in the weight's format; of a single one the narrow product is kept.
        grad_weight = of_chunk if grad_weight is None else grad_weight.to(weight.dtype).add_(of_chunk)
    grad_weight = torch.zeros_like(weight) if grad_weight is None else grad_weight
    return total, grad_hidden, grad_weight, grad_bias.to(bias.dtype)


def _to_gradient(logits: Tensor, labels: Tensor, grad_bias: Tensor) -> Tensor:
    """Turn logits, shape (R, V), into the gradient of their summed loss, in place; gives that sum.

    Its sum over the rows is added to `grad_bias`.
    """
    total = torch.zeros((), device=logits.device)
    for part in _cached(logits):
        rows, wanted = logits[part], labels[part, None]
        probs = torch.softmax(rows, dim=-1, dtype=torch.float32)
        # The greatest probability is 1 over the sum of exponentials: cheaper than log_softmax and exp.
        log_sums = rows.amax(dim=-1, keepdim=True) - probs.amax(dim=-1, keepdim=True).log()
        total += (log_sums - rows.gather(1, wanted)).sum()
        minus = probs.new_full((), -1.0).expand_as(wanted)
        logits[part] = probs.scatter_add_(1, wanted, minus)
        # While they are in the cache: a sum over all rows in a narrow format takes twenty times as long.
        grad_bias += probs.sum(dim=0)
    return total


def _chunks_of_logits(hidden: Tensor, weight: Tensor, bias: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Some rows at a time and their logits."""
    step = max(_CHUNK_LOGITS // len(weight), 1)
    for start in range(0, len(hidden), step):
        rows = slice(start, start + step)
        yield rows, functional.linear(hidden[rows], weight, bias)


def _cached(logits: Tensor) -> Iterator[slice]:
    """So many rows at a time as a CPU's cache holds; elsewhere all."""
    step = _CHUNK_ROWS if logits.device.type == "cpu" else max(len(logits), 1)
    return (slice(start, start + step) for start in range(0, len(logits), step))


def _log_probs(logits: Tensor) -> Tensor:
    return torch.log_softmax(logits, dim=-1, dtype=torch.float32)


def _product_dtype(hidden: Tensor) -> torch.dtype:
    device = hidden.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype
