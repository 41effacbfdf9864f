"""Arrays brought to a device together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

# Where each array begins: no kernel asks for more.
_ALIGNMENT = 64


def to_device(arrays: Sequence[np.ndarray], device: torch.device) -> list[Tensor]:
    """Tensors of arrays on a device.

    To a GPU all go in one copy from pinned memory, which the processor does not wait for; on a CPU nothing is
    copied.

    Args:
        arrays: of any shapes and dtypes that torch has.
        device: where they go.
    Returns:
        A tensor for each; on a GPU they share memory.
    """
    tensors = [torch.from_numpy(np.asarray(array, order="C")) for array in arrays]
    if device.type != "cuda":
        return [tensor.to(device) for tensor in tensors]
    return views_of(side_by_side(tensors, pinned=True).to(device, non_blocking=True), tensors)


def side_by_side(tensors: Sequence[Tensor], *, pinned: bool) -> Tensor:
    """The bytes of tensors one after another, each from a multiple of 64 on; uint8, one dimension.

    Args:
        tensors: contiguous, on the CPU.
        pinned: whether in memory that a GPU can read by itself.
    """
    buffer = torch.empty(sum(map(_room, tensors)), dtype=torch.uint8, pin_memory=pinned)
    for target, tensor in zip(views_of(buffer, tensors), tensors, strict=True):
        target.copy_(tensor)
    return buffer


def views_of(buffer: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """The tensors that lie in a buffer which `side_by_side` made, with shapes and dtypes `like` these."""
    views, start = [], 0
    for tensor in like:
        part = buffer[start : start + tensor.nbytes]
        views.append(part.view(tensor.dtype).view(tensor.shape))
        start += _room(tensor)
    return views


def _room(tensor: Tensor) -> int:
    return -(-tensor.nbytes // _ALIGNMENT) * _ALIGNMENT
