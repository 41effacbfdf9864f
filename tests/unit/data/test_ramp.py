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


def dealt(lengths: np.ndarray, num_ranks: int, budget: int | None) -> list[list[Piece]]:
    return [divide(lengths, Share(rank, num_ranks, budget)) for rank in range(num_ranks)]


@pytest.mark.parametrize(("num_ranks", "budget"), [(2, None), (3, 70), (8, 100), (30, 60)])
def test_ranks_share_a_batch_evenly(num_ranks: int, budget: int | None) -> None:
    lengths = LENGTHS[:25]
    ranks = dealt(lengths, num_ranks, budget)
    busy = [[piece.sequences for piece in rank if not piece.is_idle] for rank in ranks]
    assert sorted(number for rank in busy for piece in rank for number in piece) == list(range(25))
    assert len({len(rank) for rank in ranks}) == 1, "every rank takes as many passes"
    tokens = [sum(lengths[piece].sum() for piece in rank) for rank in busy]
    assert max(tokens) - min(tokens) <= lengths.max()
    assert max(lengths[piece].sum() for rank in busy for piece in rank) <= (budget or lengths.sum())


def test_a_rank_with_fewer_sequences_than_pieces_idles_on_the_shortest() -> None:
    ranks = dealt(np.array([9, 9, 5]), 2, 9)
    assert [piece.is_idle for piece in ranks[0]] == [False, False] and len(ranks[1]) == 2
    assert ranks[1][1].is_idle and ranks[1][1].sequences.tolist() == [2]


def test_a_sequence_longer_than_a_micro_batch_is_computed_alone() -> None:
    pieces = divide(np.array([4, 11, 3]), Share(micro_batch_tokens=8))
    assert [piece.sequences.tolist() for piece in pieces] == [[0], [1], [2]]
