"""How the ranks share a global batch."""

import numpy as np
import pytest

from erya.data.plan import Piece, Share, divide

LENGTHS = np.random.default_rng(0).integers(4, 60, size=25).astype(np.int32)


def dealt(lengths: np.ndarray, num_ranks: int, budget: int | None) -> list[list[Piece]]:
    return [divide(lengths, Share(rank, num_ranks, budget)) for rank in range(num_ranks)]


@pytest.mark.parametrize(("num_ranks", "budget"), [(2, None), (3, 70), (8, 100), (30, 60)])
def test_ranks_share_a_batch_evenly(num_ranks: int, budget: int | None) -> None:
    lengths = LENGTHS
    ranks = dealt(lengths, num_ranks, budget)
    busy = [[piece.sequences for piece in rank if not piece.is_idle] for rank in ranks]
    assert sorted(number for rank in busy for piece in rank for number in piece) == list(range(25))
    assert len({len(rank) for rank in ranks}) == 1, "every rank takes as many passes"
    tokens = [sum(lengths[piece].sum() for piece in rank) for rank in busy]
    assert max(tokens) - min(tokens) <= lengths.max()
    assert max(lengths[piece].sum() for rank in busy for piece in rank) <= (budget or lengths.sum())


def test_a_rank_with_fewer_sequences_than_pieces_idles_on_the_shortest() -> None:
    ranks = dealt(np.array([9, 9, 5]), 2, 9)
    assert [piece.is_idle for piece in ranks[0]] == [False, True]
    assert [piece.is_idle for piece in ranks[1]] == [False, False]
    assert ranks[0][1].sequences.tolist() == [2]


def test_a_sequence_longer_than_a_micro_batch_is_computed_alone() -> None:
    pieces = divide(np.array([4, 11, 3]), Share(micro_batch_tokens=8))
    assert [piece.sequences.tolist() for piece in pieces] == [[0], [1], [2]]
