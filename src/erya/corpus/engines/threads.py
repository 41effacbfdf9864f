"""One thread a worker: N workers use N cores, and no more memory than N threads need."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

# Pools that are made when they are first used: rayon's (tokenizers, rensa) and those of OpenMP.
_VARIABLES = ("RAYON_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def work_alone() -> None:
    """Let the libraries of this process, a worker, compute in one thread. What the user has set stays."""
    for name in _VARIABLES:
        os.environ.setdefault(name, "1")
    pa.set_cpu_count(1)


@contextmanager
def working_alone() -> Iterator[None]:
    """The same for a while, in a process that also does other things: only what can be taken back."""
    threads = pa.cpu_count()
    pa.set_cpu_count(1)
    try:
        yield
    finally:
        pa.set_cpu_count(threads)
