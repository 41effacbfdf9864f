"""How fast a device multiplies matrices: what its work is measured against."""

from __future__ import annotations

import time

import torch

_SIDE = {"cpu": 1024, "cuda": 8192}  # large enough to be at full speed, small enough to be quick
_LEAST_ROUNDS = 3


def measure_matrix_rate(device: torch.device, dtype: torch.dtype, *, budget_s: float = 0.2) -> float:
    """Floating-point operations a second of a square matrix product, the best of the rounds that fit.

    Args:
        device: which device.
        dtype: number format of the factors.
        budget_s: about how long to measure, in seconds.
    """
    side = _SIDE.get(device.type, 2048)
    left = torch.randn(side, side, device=device).to(dtype)
    right = torch.randn(side, side, device=device).to(dtype)
    _time_product(left, right)  # the first one also starts threads and chooses kernels
    times = [_time_product(left, right) for _ in range(_LEAST_ROUNDS)]
    while sum(times) < budget_s:
        times.append(_time_product(left, right))
    return 2 * side**3 / min(times)


def known_rate(rates: dict[str, float], device: torch.device, dtype: torch.dtype) -> float:
    """The rate of this device among `rates`; measured and added there where it is not."""
    key = machine_key(device, dtype)
    if key not in rates:
        rates[key] = measure_matrix_rate(device, dtype)
    return rates[key]


def machine_key(device: torch.device, dtype: torch.dtype) -> str:
    """What a measured rate depends on, as a name."""
    name = (
        torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    )
    return f"{device.type}, {name}, {str(dtype).removeprefix('torch.')}"


def _time_product(left: torch.Tensor, right: torch.Tensor) -> float:
    if left.device.type == "cuda":
        torch.cuda.synchronize(left.device)
    began = time.perf_counter()
    torch.mm(left, right)
    if left.device.type == "cuda":
        torch.cuda.synchronize(left.device)
    return time.perf_counter() - began
