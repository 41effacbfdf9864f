"""A module spread over ranks: each computes a part of the batch, and with `fsdp` keeps a part of the model.

Gradients are summed over ranks and never averaged: losses are divided by global counts already.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch._C._distributed_c10d import GradBucket
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from erya.errors import ConfigError
from erya.train.ranks import ALONE, Ranks
from erya.train.recipe import ParallelRecipe


class Spread:
    """A module as the ranks train it.

    Attributes:
        module: whose parameters are trained, under their own names; with `fsdp` a cut-up
            copy of the original.
        ranks: the ranks.
    """

    def __init__(self, original: nn.Module, module: nn.Module, call: nn.Module, ranks: Ranks) -> None:
        self.module, self.ranks, self._original, self._call = module, ranks, original, call

    def __call__(self, inputs: Any) -> Any:
        """The original's losses."""
        return self._call(inputs)

    def accumulating(self, *, is_last: bool) -> AbstractContextManager[object]:
        """Entered around a micro-batch: with `ddp` the ranks exchange gradients in the last alone."""
        if isinstance(self._call, DistributedDataParallel) and not is_last:
            return self._call.no_sync()
        return nullcontext()

    def clip(self, max_norm: float) -> Tensor:
        """Shorten the gradient to `max_norm` where it is longer; its length before, 0-dimensional."""
        norm = nn.utils.clip_grad_norm_(self.module.parameters(), max_norm)
        return norm.full_tensor() if isinstance(norm, DTensor) else norm

    def is_finite(self, tensor: Tensor) -> bool:
        """Whether all numbers of a parameter or gradient are finite. All ranks call it together."""
        part = tensor.to_local() if isinstance(tensor, DTensor) else tensor
        return not self.ranks.any(not bool(torch.isfinite(part).all()))

    @torch.no_grad()
    def update_original(self) -> None:
        """Bring the original up to date, where it is not what is trained. All ranks call it together."""
        if self.module is self._original:
            return
        for whole, part in zip(_tensors(self._original), _tensors(self.module), strict=True):
            whole.copy_(part.full_tensor() if isinstance(part, DTensor) else part)


def whole(module: nn.Module) -> Spread:
    """A module that one process trains."""
    return Spread(module, module, module, ALONE)


def spread(module: nn.Module, recipe: ParallelRecipe, ranks: Ranks) -> Spread:
    """Spread `module`, which is on the device of this rank and the same on all, over the ranks.

    Raises:
        ConfigError: the ranks cannot be grouped as the recipe says.
    """
    if ranks.is_alone:
        return whole(module)
    if recipe.kind == "ddp":
        return Spread(module, module, _replicated(module), ranks)
    copied = copy.deepcopy(module)
    _shard(copied, _mesh(recipe, ranks, next(module.parameters()).device.type))
    return Spread(module, copied, copied, ranks)


def shard_units(module: nn.Module) -> list[nn.Module]:
    """What is cut up and gathered as one: the members of the outermost module lists that have parameters."""
    return list(dict.fromkeys(_members(module)))


def _members(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        if isinstance(child, nn.ModuleList):
            yield from (member for member in child if next(member.parameters(), None) is not None)
        else:
            yield from _members(child)


def _replicated(module: nn.Module) -> DistributedDataParallel:
    device = next(module.parameters()).device
    devices = [device] if device.type == "cuda" else None
    with warnings.catch_warnings():
        # It says that buffers will not be compared in the beginning: all ranks compute them alike.
        warnings.filterwarnings("ignore", message=".*init_sync_buffers")
        call = DistributedDataParallel(module, device_ids=devices, broadcast_buffers=False)
    # A function with its annotations is refused where those are strings.
    call.register_comm_hook(None, lambda state, bucket: _summed(bucket))
    return call


def _summed(bucket: GradBucket) -> torch.futures.Future[Tensor]:
    """Sum a bucket of gradients over the ranks; by itself DistributedDataParallel takes means."""
    work = dist.all_reduce(bucket.buffer(), async_op=True)
    assert work is not None
    summed: torch.futures.Future[Tensor] = work.get_future().then(lambda done: done.value()[0])
    return summed


def _mesh(recipe: ParallelRecipe, ranks: Ranks, device_type: str) -> DeviceMesh:
    if recipe.kind == "fsdp":
        return init_device_mesh(device_type, (ranks.num_ranks,), mesh_dim_names=("shard",))
    size = recipe.shard_ranks or ranks.num_local
    if ranks.num_ranks % size:
        raise ConfigError(
            f"train.parallel.shard_ranks is {size}, which does not divide the {ranks.num_ranks} ranks",
            hint="choose a divisor, or train.parallel.kind=fsdp",
        )
    shape = ranks.num_ranks // size, size
    return init_device_mesh(device_type, shape, mesh_dim_names=("copy", "shard"))


def _shard(module: nn.Module, mesh: DeviceMesh) -> None:
    for unit in [*shard_units(module), module]:
        fully_shard(unit, mesh=mesh)
    for part in module.modules():
        if isinstance(part, FSDPModule):
            part.set_gradient_divide_factor(1.0)
            part.set_force_sum_reduction_for_comms(True)


def _tensors(module: nn.Module) -> Sequence[Tensor]:
    return [*module.parameters(), *module.buffers()]
