"""Arithmetic that gives the same bits every time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from erya.errors import TrainingError

# What cuBLAS asks for; read when a process first multiplies matrices on a device.
_CUBLAS, _CUBLAS_VALUE = "CUBLAS_WORKSPACE_CONFIG", ":4096:8"


@contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """Let torch use nothing meanwhile whose result may differ from run to run on the same device.

    Args:
        wanted: False does nothing.
    Raises:
        TrainingError: an operation has no such variant.
    """
    if not wanted:
        yield
        return
    former = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    os.environ.setdefault(_CUBLAS, _CUBLAS_VALUE)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    except RuntimeError as error:
        if "determinis" not in str(error):
            raise
        raise TrainingError(
            f"train.deterministic cannot be kept: {str(error).splitlines()[0]}",
            hint="set train.deterministic=false, or choose other parts for the model",
        ) from error
    finally:
        torch.use_deterministic_algorithms(former[0], warn_only=former[1])
