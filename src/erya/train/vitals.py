"""What a run measures besides loss and learning rate, all of it in metrics.jsonl and with the trackers.

| key | what it is |
| --- | --- |
| `loss` | weighted sum of the losses, each a mean over its targets |
| `lr` | learning rate; where groups of weights have rates of their own, the recipe's |
| `grad_norm` | length of the gradient before clipping |
| `grad_norm_GROUP` | the same of embeddings, attention, feed_forward, head, generator, other |
| `update_ratio_GROUP` | how far the step moved the weights over how long they are; 1e-3 is usual |
| `tokens`, `sequences` | seen since the run began |
| `tokens_per_s` | of this step; evaluation and checkpoints do not count |
| `epoch`, `epoch_share` | pass over the data, from 0, and how much of it is behind, in (0, 1] |
| `data_wait_s` | seconds the step waited for its batch; more than a hundredth of the step is too much |
| `masked_share` | tokens to predict as a share of all (pre-training) |
| `utilisation` | operations the mathematics asks for, over what matrix products do here in that time |
| `skipped` | why the step was not taken |
| `eval_...` | what evaluation gave |

They are written every `train.log_every_steps`, skipped steps and evaluations always. The update ratio is
measured on at most 16,384 evenly spaced weights of each parameter, and of weights spread over ranks on this
rank's part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn.utils import get_total_norm

from erya.data.batches import PackedBatch

Flops = Callable[[PackedBatch], float]
"""Operations of a training step on a batch, forward and backward."""

MASKED = "masked_positions"
_MOST_SAMPLES = 16_384
# Parts of a parameter's name that say its group, most telling first.
_GROUPS = {
    "generator": "generator",
    "head": "head",
    "embeddings": "embeddings",
    "attention": "attention",
    "attention_norm": "attention",
    "feedforward": "feed_forward",
    "feedforward_norm": "feed_forward",
}


def group_of(name: str) -> str:
    """The group of the parameter called `name`."""
    parts = set(name.split("."))
    return next((group for part, group in _GROUPS.items() if part in parts), "other")


class Vitals:
    """Measures steps.

    Args:
        module: whose weights and gradients to look at.
        every_steps: look at them every so many steps.
        flops: operations of a batch; None where nobody knows.
        matrix_rate: floating-point operations a second of the device's matrix product.
    """

    def __init__(
        self, module: nn.Module, *, every_steps: int, flops: Flops | None, matrix_rate: float | None
    ) -> None:
        self._every_steps, self._flops, self._matrix_rate = every_steps, flops, matrix_rate
        self._groups: dict[str, list[nn.Parameter]] = {}
        for name, parameter in module.named_parameters():
            if parameter.requires_grad:
                self._groups.setdefault(group_of(name), []).append(parameter)
        self._before: dict[str, list[Tensor]] = {}

    def before_step(self, step: int) -> None:
        """Remember weights, if `step` is one to be logged."""
        if step % self._every_steps == 0:
            self._before = {
                group: [_sample(parameter).clone() for parameter in parameters]
                for group, parameters in self._groups.items()
            }

    def after_step(self, grad_norm: float | None) -> dict[str, float]:
        """Norms of the gradient and update ratios by group; nothing after a step that is not logged.

        Args:
            grad_norm: of the whole gradient before clipping, which says how much the gradients were
                shortened; None where the step was not taken.
        """
        before, self._before = self._before, {}
        if not before or grad_norm is None:
            return {}
        names, measured = list(before), []
        for group in names:
            parameters, old = self._groups[group], before[group]
            moved = [_sample(now) - was for now, was in zip(parameters, old, strict=True)]
            gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
            measured += [_norm(gradients), _norm(moved), _norm(old)]
        # One transfer for all: each number alone would make the device wait.
        device = next(iter(before.values()))[0].device
        values = torch.stack([value.float().to(device) for value in measured]).tolist()
        norms, moves, lengths = values[0::3], values[1::3], values[2::3]
        scale = grad_norm / max(math.hypot(*norms), 1e-30)
        found = {f"grad_norm_{name}": norm * scale for name, norm in zip(names, norms, strict=True)}
        ratios = zip(names, moves, lengths, strict=True)
        return found | {f"update_ratio_{name}": move / max(length, 1e-30) for name, move, length in ratios}

    def of_batches(self, batches: Sequence[PackedBatch], *, seconds: float) -> dict[str, float]:
        """What the batches of a step and the time it took say, cheap enough for every step."""
        found: dict[str, float] = {}
        if all(MASKED in batch.targets for batch in batches):
            masked = sum(len(batch.targets[MASKED]) for batch in batches)
            found["masked_share"] = masked / sum(batch.num_tokens for batch in batches)
        if self._flops is not None and self._matrix_rate:
            flops = sum(self._flops(batch) for batch in batches)
            found["utilisation"] = flops / seconds / self._matrix_rate
        return found


def _sample(parameter: nn.Parameter) -> Tensor:
    """Evenly spaced weights of a parameter, of a spread one those that are here."""
    flat = _local(parameter.detach()).reshape(-1)
    stride = max(1, -(-flat.numel() // _MOST_SAMPLES))  # a rank may have no part of it
    # A stride that shares a factor with the width would look at some columns only.
    while stride > 1 and math.gcd(stride, parameter.shape[-1]) > 1:
        stride += 1
    return flat[::stride]


def _local(tensor: Tensor) -> Tensor:
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def _norm(tensors: Sequence[Tensor]) -> Tensor:
    """The length of all of them as one vector; a spread one is put together."""
    if not tensors:
        return torch.zeros(())
    norm = get_total_norm(tensors)
    return norm.full_tensor() if isinstance(norm, DTensor) else norm
