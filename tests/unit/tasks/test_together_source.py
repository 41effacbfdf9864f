"""The order of batches of several tasks."""

from collections import Counter

import numpy as np
import pytest

from erya.data.features import Features
from erya.data.plan import Share
from erya.tasks.batches import ExampleBatches
from erya.tasks.together.source import DrawnBatches


def source(number: int, mark: int) -> ExampleBatches:
    """`number` batches of one sequence, whose only token says which it is."""
    items = [
        Features(np.array([1000 * mark + place], np.int32), np.zeros(1, np.uint8)) for place in range(number)
    ]
    return ExampleBatches(items, batch_size=1, batch_tokens=10, seed=3)


def drawn(alpha: float, seed: int = 0) -> DrawnBatches:
    return DrawnBatches([source(40, 1), source(10, 2)], alpha=alpha, seed=seed)


@pytest.mark.parametrize(("alpha", "share"), [(1.0, 0.8), (0.5, 2 / 3), (0.0, 0.5)])
def test_tasks_are_drawn_by_a_power_of_their_size(alpha: float, share: float) -> None:
    batches = drawn(alpha)
    assert batches.num_batches(0) == batches.num_batches(7) == 50
    assert batches.shares.tolist() == pytest.approx([share, 1 - share])
    found = Counter(batches.task_of(epoch, index) for epoch in range(40) for index in range(50))
    assert found[0] / 2000 == pytest.approx(share, abs=0.04)


def test_a_tasks_own_batches_come_in_their_order_without_a_gap() -> None:
    batches, own = drawn(0.5), [source(40, 1), source(10, 2)]
    places: list[list[int]] = [[], []]
    for epoch in range(4):
        for index in range(50):
            (packed,) = batches.batch(epoch, index)
            places[batches.task_of(epoch, index)].append(int(packed.ids[0]))
    for task, found in enumerate(places):
        size = own[task].num_batches(0)
        wanted = [int(own[task].batch(n // size, n % size)[0].ids[0]) for n in range(len(found))]
        assert len(found) > size and found == wanted


def test_any_batch_can_be_asked_for_first() -> None:
    straight, jumping = drawn(0.5), drawn(0.5)
    in_order = {(e, i): straight.batch(e, i)[0].ids.tolist() for e in range(3) for i in range(50)}
    for place in [(2, 49), (0, 7), (1, 0), (2, 0)]:
        assert jumping.batch(*place)[0].ids.tolist() == in_order[place]
    other = drawn(0.5, seed=1)
    assert [other.task_of(0, i) for i in range(50)] != [straight.task_of(0, i) for i in range(50)]


def test_a_share_of_a_batch_is_its_tasks() -> None:
    items = [Features(np.full(4, place, np.int32), np.zeros(4, np.uint8)) for place in range(8)]
    sources = [ExampleBatches(items, batch_size=4, batch_tokens=99, seed=0)] * 2
    pieces = DrawnBatches(sources, alpha=1.0).batch(0, 0, Share(0, 1, 8))
    assert [piece.num_sequences for piece in pieces] == [2, 2]
