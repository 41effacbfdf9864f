"""Two CPU ranks that add their gradients up through gloo, beside two runs that know nothing of each other.

Each process has one thread; the runs are measured at the same time, in the same two processes, in turns.
"""

from __future__ import annotations

import functools
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

MakeStep = Callable[..., Callable[[], float]]
RANKS = 2


def two_ranks(make_step: MakeStep, *, rounds: int) -> str:
    """A Markdown paragraph: tokens a second of both, and the share that adding up leaves.

    Args:
        make_step: builds a step of one process that gives its number of tokens; with `spread=True` its
            gradients are those of all ranks.
        rounds: measured turns.
    """
    from torch import multiprocessing

    with tempfile.TemporaryDirectory() as folder:
        run = functools.partial(_rank, make_step=make_step, rounds=rounds, folder=Path(folder))
        multiprocessing.spawn(run, nprocs=RANKS, join=True)
        rates = [[float(x) for x in (Path(folder) / str(rank)).read_text().split()] for rank in range(RANKS)]
    alone, together = (sum(column) for column in zip(*rates, strict=True))
    return (
        f"Two independent runs {alone:,.0f} tokens/s, two ranks {together:,.0f} tokens/s:"
        f" {together / alone:.2f} (medians of {rounds}).\n"
    )


def _rank(rank: int, *, make_step: MakeStep, rounds: int, folder: Path) -> None:
    os.environ.update(OMP_NUM_THREADS="1", MASTER_ADDR="127.0.0.1", MASTER_PORT="29583")
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=RANKS)
    steps = [make_step(), make_step(spread=True)]
    rates: list[list[float]] = [[], []]
    for turn in range(1 + rounds):
        for step, found in zip(steps, rates, strict=True):
            dist.barrier()
            began = time.perf_counter()
            tokens = step()
            if turn:
                found.append(tokens / (time.perf_counter() - began))
    (folder / str(rank)).write_text(" ".join(str(statistics.median(found)) for found in rates))
    dist.destroy_process_group()
