"""The processes that train together, as torchrun starts them; one process alone is the usual case of one."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor
from torch import distributed as dist
from torch._C._distributed_c10d import PrefixStore, TCPStore

from erya.errors import TrainingError
from erya.runtime import pick_device

Value = TypeVar("Value")

# Longer than any evaluation or checkpoint between two things that ranks do together.
_TIMEOUT = timedelta(minutes=30)
_CLAIM_TIMEOUT = timedelta(seconds=5)


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together.

    Attributes:
        rank: of this process, from 0.
        num_ranks: processes of the run.
        local_rank: rank among those of this machine: which of its devices is ours.
        num_local: processes of the run on this machine.
        background: carries what the ranks do together in another thread; None for one process.
    """

    rank: int = 0
    num_ranks: int = 1
    local_rank: int = 0
    num_local: int = 1
    background: dist.ProcessGroup | None = None

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and speaks to the user."""
        return self.rank == 0

    @property
    def is_alone(self) -> bool:
        """Whether this is the only process of the run."""
        return self.num_ranks == 1

    def sum_counts(self, counts: Mapping[str, int]) -> dict[str, int]:
        """The sums over all ranks, which have the same names."""
        if self.is_alone or not counts:
            return dict(counts)
        names = sorted(counts)
        summed = torch.tensor([counts[name] for name in names], dtype=torch.int64)
        dist.all_reduce(summed)
        return dict(zip(names, summed.tolist(), strict=True))

    def any(self, flag: bool) -> bool:
        """Whether `flag` is true on any rank."""
        return self.sum_counts({"": int(flag)})[""] > 0

    def add_up(self, value: Tensor) -> Tensor:
        """The sum over all ranks of a tensor, which is changed."""
        if not self.is_alone:
            dist.all_reduce(value)
        return value

    def broadcast(self, value: Value) -> Value:
        """The first rank's value, on every rank; of plain Python types."""
        if self.is_alone:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def first_alone(self, do: Callable[[], None]) -> None:
        """Have the first rank do something in the background, and the others wait for it and its error."""
        error: list[Exception | None] = [None]
        if self.is_first:
            try:
                do()
            except Exception as failed:
                error = [failed]
        if self.background is not None:
            dist.broadcast_object_list(error, src=0, group=self.background)
        if error[0] is not None:
            raise error[0]


ALONE = Ranks()


def environment_ranks() -> Ranks:
    """What torchrun says in the environment; one process where it says nothing."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return ALONE
    return Ranks(
        rank=int(os.environ["RANK"]),
        num_ranks=int(os.environ["WORLD_SIZE"]),
        local_rank=int(os.environ["LOCAL_RANK"]),
        num_local=int(os.environ["LOCAL_WORLD_SIZE"]),
    )


def own_device(name: str) -> torch.device:
    """The device called `name`; of several CUDA devices of a machine the one that is this rank's.

    Raises:
        ConfigError: `name` is not a device of this machine.
    """
    device, ranks = pick_device(name), environment_ranks()
    if device.type == "cuda" and device.index is None and not ranks.is_alone:
        device = torch.device("cuda", ranks.local_rank)
        torch.cuda.set_device(device)
    return device


@contextmanager
def joined(device: torch.device) -> Iterator[Ranks]:
    """Meet the other ranks of the run, for as long as it trains.

    Args:
        device: of this rank. Tensors on a CUDA device go through NCCL, those on the CPU through gloo.
    Raises:
        TrainingError: another rank is gone.
    """
    ranks = environment_ranks()
    if ranks.is_alone:
        yield ranks
        return
    with _partners_needed():
        background = _meet("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
        yield replace(ranks, background=background)


@cache
def _meet(backend: str) -> dist.ProcessGroup:
    """Meet the other ranks, once in the life of this process: torch can do it only once."""
    ranks = environment_ranks()
    # torchrun may keep its store when it starts the ranks again, with the addresses of those that are gone.
    hosts = ranks.is_first and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    attempt = f"erya/{os.environ['TORCHELASTIC_RESTART_COUNT']}/{ranks.num_ranks}"
    store = PrefixStore(attempt, _torchrun_store(_TIMEOUT, hosts=hosts))
    dist.init_process_group(
        backend, store=store, rank=ranks.rank, world_size=ranks.num_ranks, timeout=_TIMEOUT
    )
    atexit.register(dist.destroy_process_group)
    background: dist.ProcessGroup = dist.new_group(backend="gloo", timeout=_TIMEOUT)
    return background


@contextmanager
def _partners_needed() -> Iterator[None]:
    """Say in a user's words that another rank is gone."""
    try:
        yield
    except (dist.DistError, RuntimeError) as error:
        if (told := in_words(error)) is error:
            raise
        raise told from error


def in_words(error: BaseException) -> BaseException:
    """The error itself, or where it means that another rank is gone one that says so to a user."""
    if not isinstance(error, dist.DistError | RuntimeError) or not _is_about_partners(error):
        return error
    return TrainingError(
        "another process of this run is gone",
        where=f"rank {environment_ranks().rank} of {environment_ranks().num_ranks}",
        hint="see what it said before this; the same command goes on from the last checkpoint, and "
        "torchrun --max-restarts=3 gives it by itself",
    )


def _is_about_partners(error: BaseException) -> bool:
    """Whether a collective failed since somebody else did. gloo has no exception of its own."""
    said = str(error).lower()
    signs = ("gloo", "connection closed", "connection reset", "connect timeout", "timed out waiting")
    return isinstance(error, dist.DistError) or any(sign in said for sign in signs)


def _torchrun_store(timeout: timedelta, *, hosts: bool = False) -> TCPStore:
    """Where the ranks find one another. torchrun itself keeps it, unless it is told otherwise."""
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    return TCPStore(address, port, is_master=hosts, timeout=timeout)


def is_spokesman() -> bool:
    """Whether this process is to print why the run ends: the first of its ranks that asks is.

    An error on one rank ends the others with errors of their own, which say nothing new.
    """
    ranks = environment_ranks()
    if ranks.is_alone:
        return True
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    try:
        return bool(_torchrun_store(_CLAIM_TIMEOUT).add(f"erya/said/{attempt}", 1) == 1)
    except (dist.DistError, RuntimeError, KeyError):
        return ranks.is_first
