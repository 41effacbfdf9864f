"""Batches prepared in advance: the same ones in the same order, errors where they belong."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from erya.data.batches import PackedBatch, pack
from erya.data.features import Features
from erya.data.plan import WHOLE, Share
from erya.train.ahead import Ahead, Pace, next_place, pace_for

WAIT_S = 30.0


def a_batch(number: int) -> PackedBatch:
    ids = np.array([number], dtype=np.int32)
    return pack([Features(ids=ids, type_ids=np.zeros(1, np.uint8), targets={})])


class Numbered:
    """Three batches an epoch, each told by its place; one may be broken."""

    def __init__(self, *, broken: tuple[int, int] | None = None) -> None:
        self.broken = broken
        self.begun: list[tuple[int, int]] = []
        self.begun_enough = threading.Semaphore(0)

    def num_batches(self, epoch: int) -> int:
        return 3

    def batch(self, epoch: int, index: int, share: Share = WHOLE) -> list[PackedBatch]:
        self.begun.append((epoch, index))
        self.begun_enough.release()
        if (epoch, index) == self.broken:
            raise ValueError(f"batch {index} of epoch {epoch}")
        return [a_batch(100 * epoch + 10 * index + share.rank)]


def number_of(batches: object) -> int:
    (batch,) = batches  # type: ignore[misc]
    return int(batch.ids[0])


@pytest.mark.parametrize("pace", [Pace(), Pace(num_threads=3, depth=5), Pace(num_threads=1, depth=1)])
def test_batches_come_in_order(pace: Pace) -> None:
    place, found = (0, 1), []
    with Ahead(Numbered(), pace) as ahead:
        for _ in range(12):
            found.append(number_of(ahead.take(*place, Share(rank=2))))
            place = next_place(Numbered(), *place)
    assert found == [12, 22, 102, 112, 122, 202, 212, 222, 302, 312, 322, 402]


def test_as_many_as_the_depth_are_begun_and_no_more() -> None:
    source = Numbered()
    source.num_batches = lambda epoch: 100  # type: ignore[method-assign]
    with Ahead(source, Pace(num_threads=4, depth=4)) as ahead:
        ahead.take(0, 0, WHOLE)
        for _ in range(5):
            assert source.begun_enough.acquire(timeout=WAIT_S)
        assert not source.begun_enough.acquire(timeout=0.05)
    assert sorted(source.begun) == [(0, index) for index in range(5)]


def test_threads_work_at_once() -> None:
    together = threading.Barrier(3, timeout=WAIT_S)

    class Meeting(Numbered):
        def batch(self, epoch: int, index: int, share: Share = WHOLE) -> list[PackedBatch]:
            if (epoch, index) != (0, 0):
                together.wait()
            return super().batch(epoch, index, share)

        def num_batches(self, epoch: int) -> int:
            return 100

    with Ahead(Meeting(), Pace(num_threads=3, depth=3)) as ahead:
        assert [number_of(ahead.take(0, index, WHOLE)) for index in range(4)] == [0, 10, 20, 30]


def test_an_epoch_is_laid_out_in_a_thread() -> None:
    """Nothing is asked of an epoch in the loop before its first batch is there."""
    gate = threading.Event()

    class Watched(Numbered):
        def num_batches(self, epoch: int) -> int:
            assert epoch == 0 or gate.is_set(), "the loop waits for the epoch to be laid out"
            return super().num_batches(epoch)

        def batch(self, epoch: int, index: int, share: Share = WHOLE) -> list[PackedBatch]:
            if epoch == 1:
                assert gate.wait(WAIT_S)
            return super().batch(epoch, index, share)

    with Ahead(Watched(), Pace(num_threads=2, depth=4)) as ahead:
        assert [number_of(ahead.take(0, index, WHOLE)) for index in range(3)] == [0, 10, 20]
        gate.set()
        assert number_of(ahead.take(1, 0, WHOLE)) == 100


def test_an_error_comes_with_its_batch_and_not_before() -> None:
    with Ahead(Numbered(broken=(0, 2)), Pace(num_threads=2, depth=4)) as ahead:
        assert number_of(ahead.take(0, 0, WHOLE)) == 0
        assert number_of(ahead.take(0, 1, WHOLE)) == 10
        for _ in range(2):  # asked again it is the same
            with pytest.raises(ValueError, match="batch 2 of epoch 0"):
                ahead.take(0, 2, WHOLE)
        assert number_of(ahead.take(1, 0, WHOLE)) == 100


def test_an_error_at_the_beginning_of_an_epoch_waits_for_its_turn() -> None:
    with Ahead(Numbered(broken=(1, 0)), Pace(num_threads=2, depth=4)) as ahead:
        assert [number_of(ahead.take(0, index, WHOLE)) for index in range(3)] == [0, 10, 20]
        with pytest.raises(ValueError, match="batch 0 of epoch 1"):
            ahead.take(1, 0, WHOLE)


def test_another_place_or_share_drops_what_was_begun() -> None:
    with Ahead(Numbered(), Pace(num_threads=2, depth=4)) as ahead:
        assert number_of(ahead.take(0, 0, WHOLE)) == 0
        assert number_of(ahead.take(5, 1, WHOLE)) == 510
        assert number_of(ahead.take(5, 2, WHOLE)) == 520
        assert number_of(ahead.take(5, 2, Share(rank=1))) == 521  # the same place, after memory ran out
        assert number_of(ahead.take(6, 0, Share(rank=1))) == 601


def test_a_gpu_gets_more_threads_than_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("erya.train.ahead.available_cores", lambda: 16)
    assert pace_for(torch.device("cpu")) == Pace(num_threads=1, depth=2)
    assert pace_for(torch.device("cuda")) == Pace(num_threads=4, depth=7)
    assert pace_for(torch.device("cuda"), num_local=8) == Pace(num_threads=1, depth=4)
