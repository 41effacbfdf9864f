"""Prepares the next batch while the model computes this one."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from erya.data.batches import PackedBatch
from erya.data.plan import Share
from erya.train.protocols import Source


def next_place(source: Source, epoch: int, index: int) -> tuple[int, int]:
    """The place after batch `index` of `epoch`."""
    return (epoch, index + 1) if index + 1 < source.num_batches(epoch) else (epoch + 1, 0)


class Ahead:
    """One batch ahead of the loop, in a thread of its own. A source is pure, so nothing is lost by a wrong
    guess."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="erya-batches")
        self._pending: tuple[tuple[int, int, Share], Future[Sequence[PackedBatch]]] | None = None

    def take(self, epoch: int, index: int, share: Share) -> Sequence[PackedBatch]:
        """What `share` computes of global batch `index` of `epoch`; the batch after it is begun."""
        if self._pending is None or self._pending[0] != (epoch, index, share):
            self._begin(epoch, index, share)
        assert self._pending is not None
        batch = self._pending[1].result()
        self._begin(*next_place(self._source, epoch, index), share)
        return batch

    def _begin(self, epoch: int, index: int, share: Share) -> None:
        place = epoch, index, share
        self._pending = place, self._executor.submit(self._source.batch, *place)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)
