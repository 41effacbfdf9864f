"""How much memory there is, and how much of it a forward pass keeps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.distributed.tensor import DTensor

_CGROUP = Path("/sys/fs/cgroup")
# Besides what the backward pass keeps there are gradients of activations and what kernels use for themselves;
# so many times the former is reckoned with.
PEAK = 2.0
# A gradient and two running means of four bytes each.
_BYTES_A_PARAMETER = 12


def free_bytes(device: torch.device) -> int | None:
    """Memory this process may still take on `device`; None where the system does not say."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + unused
    found = [amount for amount in (_available(), _left_of_container()) if amount is not None]
    return min(found, default=None)


def kept_bytes(call: Callable[[Any], object], inputs: Any, module: nn.Module) -> int:
    """What the forward pass of `inputs` keeps for the backward pass, without the module's own parameters.

    Args:
        call: the forward pass.
        inputs: what it is called with.
        module: whose parameters are in memory anyway.
    """
    own = {_storage(parameter)[0] for parameter in module.parameters()}
    kept = dict[int, int]()

    def pack(tensor: Tensor) -> Tensor:
        place, size = _storage(tensor)
        if place not in own:
            kept[place] = size
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        result = call(inputs)
    total = sum(kept.values())
    del result  # only now may memory be used again, under the same addresses
    return total


def guess_tokens(*, free: int, num_parameters: int, bytes_a_token: float) -> int:
    """How many tokens fit into `free` bytes beside gradients and running means: a power of two, at least 1.

    A power of two, so that a little more or less of free memory does not make it another number.
    """
    room = max(0, free - num_parameters * _BYTES_A_PARAMETER)
    tokens = max(1, int(room / (PEAK * bytes_a_token)))
    return 1 << (tokens.bit_length() - 1)


def _storage(tensor: Tensor) -> tuple[int, int]:
    """Address and bytes of what holds a tensor."""
    storage = (tensor.to_local() if isinstance(tensor, DTensor) else tensor).untyped_storage()
    return storage.data_ptr(), storage.nbytes()


def _available() -> int | None:
    """What the system can give without swapping, as Linux says it."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    kib = next((line.split()[1] for line in lines if line.startswith("MemAvailable:")), None)
    return None if kib is None else int(kib) * 1024


def _left_of_container() -> int | None:
    """What a container has left of its limit; None where there is no limit."""
    try:
        limit, used = ((_CGROUP / f"memory.{name}").read_text().strip() for name in ("max", "current"))
    except OSError:
        return None
    return None if limit == "max" else max(0, int(limit) - int(used))
