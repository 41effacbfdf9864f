"""Prepares the next batches while the model computes this one."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import torch

from erya.data.batches import PackedBatch
from erya.data.plan import Share
from erya.runtime import available_cores
from erya.train.protocols import Source


def next_place(source: Source, epoch: int, index: int) -> tuple[int, int]:
    """The place after batch `index` of `epoch`."""
    return (epoch, index + 1) if index + 1 < source.num_batches(epoch) else (epoch + 1, 0)


@dataclass(frozen=True, slots=True)
class Pace:
    """How batches are prepared.

    Attributes:
        num_threads: that prepare them.
        depth: most batches prepared or being prepared before they are asked for; memory holds so many.
    """

    num_threads: int = 1
    depth: int = 2


SPARING = Pace()


def pace_for(device: torch.device, *, num_local: int = 1) -> Pace:
    """Beside a CPU that computes one thread, so that little is taken from it; beside a GPU up to four.

    Args:
        device: what the model computes on.
        num_local: processes of the run on this machine.
    """
    if device.type != "cuda":
        return SPARING
    num_threads = max(1, min(4, available_cores() // num_local - 1))
    return Pace(num_threads=num_threads, depth=num_threads + 3)


class Ahead:
    """Some batches ahead of the loop, in threads of their own. Sources are pure: a wrong guess loses nothing.

    Args:
        source: the batches; asked from several threads at once.
        pace: how many are prepared.
    """

    def __init__(self, source: Source, pace: Pace = SPARING) -> None:
        self._source, self._depth = source, pace.depth
        self._executor = ThreadPoolExecutor(pace.num_threads, thread_name_prefix="erya-batches")
        self._pending: deque[tuple[tuple[int, int, Share], Future[Sequence[PackedBatch]]]] = deque()

    def take(self, epoch: int, index: int, share: Share) -> Sequence[PackedBatch]:
        """What `share` computes of global batch `index` of `epoch`; those after it are begun.

        Raises:
            Exception: what the source raised for this batch.
        """
        wanted = epoch, index, share
        if not self._pending or self._pending[0][0] != wanted:
            self._discard()
            self._begin(*wanted)
        batch = self._pending[0][1].result()
        self._begin_more()
        self._pending.popleft()
        return batch

    def _begin_more(self) -> None:
        """Begin what follows the batch that is taken, which is whole."""
        known = self._pending[0][0][0]
        while len(self._pending) <= self._depth:
            (epoch, index, share), future = self._pending[-1]
            if epoch != known and not (future.done() and future.exception() is None):
                return  # an epoch is laid out with its first batch, and that in a thread
            self._begin(*next_place(self._source, epoch, index), share)

    def _begin(self, epoch: int, index: int, share: Share) -> None:
        place = epoch, index, share
        self._pending.append((place, self._executor.submit(self._source.batch, *place)))

    def _discard(self) -> None:
        for _, future in self._pending:
            future.cancel()
        self._pending.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)
