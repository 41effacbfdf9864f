"""Dropout whose random bits cost little on a CPU.

`torch.nn.functional.dropout` draws one random number an element; on a CPU that costs as much as a
matrix product of the same activations. Here one 64-bit draw decides four elements with 15 bits each,
which is several times quicker. What torch's own generator draws keys the bits of a mask, so seeding it,
saving its state and restoring it replay every mask.

Source: Srivastava et al. 2014, Dropout: A Simple Way to Prevent Neural Networks from Overfitting.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

_STEPS = 1 << 15
# Signed integers of the width of a number format: dropping is a bitwise `and` with 0, keeping with -1.
_BITS = {torch.bfloat16: torch.int16, torch.float16: torch.int16, torch.float32: torch.int32}


class Dropout(nn.Module):
    """Set elements to zero with probability `prob` in training and scale up the rest.

    Args:
        prob: probability of dropping, in [0, 1); on a CPU it is rounded to a multiple of 1/32768.
    """

    def __init__(self, prob: float) -> None:
        super().__init__()
        if not 0.0 <= prob < 1.0:
            raise ValueError(f"a dropout probability lies in [0, 1), not {prob}")
        self.prob = prob

    def forward(self, x: Tensor) -> Tensor:
        """Any shape in, the same shape and number format out."""
        return drop(x, self.prob) if self.training else x

    def extra_repr(self) -> str:
        return f"prob={self.prob}"


def drop(x: Tensor, prob: float) -> Tensor:
    """Set elements to zero with probability `prob`, in [0, 1), and scale up the rest."""
    if prob == 0.0:
        return x
    if x.device.type != "cpu" or x.dtype not in _BITS:
        return functional.dropout(x, prob)
    dropped: Tensor = _CpuDropout.apply(x, prob)  # type: ignore[no-untyped-call]
    return dropped


class _CpuDropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, prob: float) -> Tensor:
        x = x.contiguous()
        ctx.keep, ctx.prob = keep_bits(x.shape, prob, dtype=x.dtype), prob
        return keep_only(x, ctx.keep).mul_(keep_scale(prob))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return keep_only(grads[0].contiguous(), ctx.keep).mul_(keep_scale(ctx.prob)), None


def drop_probs(probs: Tensor, prob: float) -> Tensor:
    """`drop` for probabilities that a softmax made: keeps what it gives out instead of a mask.

    The product that follows keeps that too. A probability of 0 counts as dropped; its gradient would be
    multiplied by 0 in the softmax anyway.
    """
    if prob == 0.0 or probs.device.type != "cpu" or probs.dtype not in _BITS:
        return drop(probs, prob)
    dropped: Tensor = _CpuProbsDropout.apply(probs, prob)  # type: ignore[no-untyped-call]
    return dropped


class _CpuProbsDropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, probs: Tensor, prob: float) -> Tensor:
        keep = keep_bits(probs.shape, prob, dtype=probs.dtype)
        kept = keep_only(probs.contiguous(), keep).mul_(keep_scale(prob))
        ctx.save_for_backward(kept)
        ctx.prob = prob
        return kept

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (kept,) = ctx.saved_tensors
        return (grads[0] * keep_scale(ctx.prob)).masked_fill_(kept == 0.0, 0.0), None


def keep_bits(shape: torch.Size, prob: float, *, dtype: torch.dtype) -> Tensor:
    """Draw a CPU dropout mask: all bits set where an element is kept, none where it is dropped.

    Args:
        shape: shape of the mask.
        prob: probability of dropping, in [0, 1).
        dtype: number format the mask is for; the mask is the signed integer of its width.
    """
    count = shape.numel()
    # torch's generator picks the stream, numpy's quicker one fills it: torch's seed and state replay it.
    stream = np.random.SFC64(int(torch.empty((), dtype=torch.int64).random_()))
    draws = torch.from_numpy(stream.random_raw((count + 3) // 4).view(np.int16))
    lanes = draws[:count].bitwise_and_(_STEPS - 1)
    keep = lanes.sub_(round(prob * _STEPS)).bitwise_right_shift_(15).bitwise_not_()
    return keep.to(_BITS[dtype]).view(shape)


def keep_only(x: Tensor, keep: Tensor) -> Tensor:
    """A copy of `x` with the dropped elements at zero; `keep` comes from `keep_bits`, shape of `x`."""
    return x.view(keep.dtype).bitwise_and(keep).view(x.dtype)


def keep_scale(prob: float) -> float:
    """What kept elements are multiplied by, so that dropping leaves the expectation as it was."""
    return _STEPS / (_STEPS - round(prob * _STEPS))
