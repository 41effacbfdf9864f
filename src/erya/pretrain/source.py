"""Masked batches: to learn from, anew every epoch, and to be scored on, always the same."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from erya.data.batches import PackedBatch, bounds_of, positions_of
from erya.data.plan import WHOLE, Piece, Plan, Share, fill
from erya.pretrain.masking.masker import Masker
from erya.pretrain.sequences import ShardSequences
from erya.runtime import generator

_HELD_OUT_BATCH_TOKENS = 4096
_HELD_OUT = 0x4E1D  # keeps this stream of random numbers apart from others with the same seed


class MaskedSource:
    """A training source: sequences in the order of the plan, with the masks of their epoch.

    Args:
        sequences: what to learn from.
        masker: hides tokens.
        batch_tokens: most tokens of a global batch.
        seed: of the shuffles.
    Raises:
        ConfigError: there is nothing to learn from, or a sequence is larger than a batch.
    """

    def __init__(
        self,
        sequences: ShardSequences,
        masker: Masker,
        *,
        batch_tokens: int,
        seed: int,
    ) -> None:
        self._sequences, self._masker = sequences, masker
        self._plan = Plan(sequences.lengths, batch_tokens=batch_tokens, seed=seed)

    def num_batches(self, epoch: int) -> int:
        return self._plan.num_batches(epoch)

    def batch(self, epoch: int, index: int, share: Share = WHOLE) -> list[PackedBatch]:
        return [self._masked(piece, epoch) for piece in self._plan.pieces(epoch, index, share)]

    def _masked(self, piece: Piece, epoch: int) -> PackedBatch:
        batch = masked_batch(self._sequences, self._masker, piece.sequences, epoch=epoch)
        return replace(batch, is_idle=piece.is_idle)


def masked_batch(
    sequences: ShardSequences, masker: Masker, numbers: NDArray[np.int64], *, epoch: int
) -> PackedBatch:
    """Pack and mask the sequences with the given numbers.

    Returns:
        A batch with the targets `masked_positions` and `masked_labels`, int64, one entry a chosen token.
    """
    packed = sequences.read(numbers)
    masked = masker.mask(packed.ids, packed.word_starts, packed.lengths, epoch=epoch, numbers=numbers)
    return PackedBatch(
        ids=masked.ids,
        type_ids=np.zeros(len(masked.ids), dtype=np.uint8),
        positions=positions_of(packed.lengths),
        bounds=bounds_of(packed.lengths),
        max_length=int(packed.lengths.max()),
        targets={"masked_positions": masked.positions, "masked_labels": masked.labels},
    )


def held_out_batches(
    sequences: ShardSequences, masker: Masker, *, max_tokens: int, seed: int
) -> list[PackedBatch]:
    """Held-out sequences drawn at random, at most `max_tokens` tokens, with fixed masks.

    At least one sequence is taken; an empty list means there is no held-out text.
    """
    if not len(sequences.lengths):
        return []
    shuffled = generator(_HELD_OUT, seed).permutation(len(sequences.lengths))
    enough = int(np.searchsorted(np.cumsum(sequences.lengths[shuffled]), max_tokens, side="right"))
    taken = shuffled[: max(1, enough)]
    budget = max(_HELD_OUT_BATCH_TOKENS, int(sequences.lengths.max()))
    bounds = fill(sequences.lengths[taken], budget)
    return [masked_batch(sequences, masker, taken[start:stop], epoch=0) for start, stop in pairwise(bounds)]
