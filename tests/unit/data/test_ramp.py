import numpy as np
import pytest

from erya.data.plan import Plan
from erya.data.ramp import Ramp
from erya.errors import ConfigError

LENGTHS = np.random.default_rng(0).integers(4, 60, size=500).astype(np.int32)
RAMP = Ramp(from_tokens=64, over_tokens=30_000)


def epoch_of(plan: Plan, epoch: int) -> list[list[int]]:
    return [plan.batch(epoch, index).tolist() for index in range(plan.num_batches(epoch))]


def test_a_ramp_grows_the_batches_over_the_epochs() -> None:
    plan = Plan(LENGTHS, batch_tokens=256, seed=1, ramp=RAMP)
    epochs = [epoch_of(plan, epoch) for epoch in range(4)]
    for batches in epochs:
        assert sorted(number for batch in batches for number in batch) == list(range(500))
    total = int(LENGTHS.sum())
    assert 15_000 < total < 30_000, "the ramp must end inside the second epoch for this test"
    seen = 0
    for batch in [batch for batches in epochs for batch in batches]:
        assert LENGTHS[batch].sum() <= 64 + 192 * min(seen, 30_000) // 30_000
        seen += int(LENGTHS[batch].sum())
    sizes = [np.median([LENGTHS[batch].sum() for batch in batches]) for batches in epochs]
    assert sizes[0] < 180 < sizes[1] < 235 < sizes[2]
    assert len(epochs[2]) == pytest.approx(len(epochs[3]), abs=2)


def test_a_plan_with_a_ramp_is_entered_anywhere() -> None:
    walked = Plan(LENGTHS, batch_tokens=256, seed=1, ramp=RAMP)
    epochs = [epoch_of(walked, epoch) for epoch in range(3)]
    fresh = Plan(LENGTHS, batch_tokens=256, seed=1, ramp=RAMP)
    assert fresh.batch(1, 7).tolist() == epochs[1][7]
    assert fresh.num_batches(1) == len(epochs[1])
    seen = sum(int(LENGTHS[batch].sum()) for batch in [*epochs[0], *epochs[1][:7]])
    assert fresh.tokens_before(1, 7) == seen
    assert fresh.tokens_before(0, 0) == 0
    assert fresh.tokens_before(2, 0) == 2 * int(LENGTHS.sum()) == 2 * fresh.epoch_tokens


def test_a_ramp_that_begins_below_the_longest_sequence_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"batch_ramp.from_tokens is 40, but a sequence has 59 tokens"):
        Plan(LENGTHS, batch_tokens=256, seed=1, ramp=Ramp(from_tokens=40, over_tokens=1000))
