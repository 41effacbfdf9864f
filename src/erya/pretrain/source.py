"""Masked batches: to learn from, anew every epoch, and to be scored on, always the same."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from erya.data.batches import PackedBatch, bounds_of, positions_of
from erya.data.plan import WHOLE, Plan, Share, fill
from erya.data.ramp import Ramp
from erya.pretrain.masking.masker import Masker
from erya.pretrain.masking.patterns import Patterns, turn_round
from erya.pretrain.sequences import ShardSequences
from erya.runtime import generator

_HELD_OUT_BATCH_TOKENS = 4096
_HELD_OUT = 0x4E1D  # keeps this stream of random numbers apart from others with the same seed


class MaskedSource:
    """A training source: sequences in the order of the plan, with the masks and patterns of their epoch.

    Args:
        sequences: what to learn from.
        masker: hides tokens.
        batch_tokens: most tokens of a global batch.
        seed: of the shuffles.
        ramp: how batches grow to `batch_tokens`; None for batches of one size.
        patterns: how sequences are seen; None: all tokens see all.
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
        ramp: Ramp | None = None,
        patterns: Patterns | None = None,
    ) -> None:
        self._sequences, self._masker, self._patterns = sequences, masker, patterns
        self._plan = Plan(sequences.lengths, batch_tokens=batch_tokens, seed=seed, ramp=ramp)

    def num_batches(self, epoch: int) -> int:
        """See `erya.train.protocols.Source`."""
        return self._plan.num_batches(epoch)

    def batch(self, epoch: int, index: int, share: Share = WHOLE) -> list[PackedBatch]:
        """See `erya.train.protocols.Source`."""
        before = self._plan.tokens_before(epoch, index)
        batches = []
        for piece in self._plan.pieces(epoch, index, share):
            batch = masked_batch(
                self._sequences,
                self._masker,
                piece.sequences,
                epoch=epoch,
                tokens_before=before,
                patterns=self._patterns,
            )
            batches.append(replace(batch, is_idle=piece.is_idle))
        return batches


def masked_batch(
    sequences: ShardSequences,
    masker: Masker,
    numbers: NDArray[np.int64],
    *,
    epoch: int,
    tokens_before: int = 0,
    patterns: Patterns | None = None,
) -> PackedBatch:
    """Pack and mask the sequences with the given numbers.

    Args:
        sequences: what they are of.
        masker: hides tokens.
        numbers: of the sequences.
        epoch: other epochs have other masks, patterns and orders of pairs.
        tokens_before: tokens of the run before the global batch, for a rate that moves.
        patterns: how sequences are seen; None: all tokens see all.
    Returns:
        A batch with the targets `masked_positions` and `masked_labels`, int64, one entry a chosen token;
        where pairs are to be told apart also `next_sentence`, int64, one entry a sequence: 0, 1, or -1 where
        there is nothing to tell.
    """
    packed = sequences.read(numbers, epoch=epoch)
    drawn = None
    if patterns is not None:
        drawn = patterns.draw(packed.word_starts, packed.lengths, epoch=epoch, numbers=numbers)
    masked = masker.mask(
        packed.ids,
        packed.word_starts,
        packed.lengths,
        epoch=epoch,
        numbers=numbers,
        tokens_before=tokens_before,
        predictable=None if drawn is None else drawn.predictable,
    )
    targets: dict[str, NDArray[np.generic]] = {
        "masked_positions": masked.positions,
        "masked_labels": masked.labels,
    }
    if packed.next_sentence is not None:
        # A first token that does not see its sequence cannot tell.
        sees_all = True if drawn is None else drawn.prefixes == packed.lengths
        targets["next_sentence"] = np.where(sees_all, packed.next_sentence, -1)
    batch = PackedBatch(
        ids=masked.ids,
        type_ids=packed.type_ids,
        positions=positions_of(packed.lengths),
        bounds=bounds_of(packed.lengths),
        max_length=int(packed.lengths.max()),
        targets=targets,
        prefixes=None if drawn is None else drawn.prefixes,
    )
    return batch if drawn is None else turn_round(batch, drawn.backwards)


def held_out_batches(
    sequences: ShardSequences, masker: Masker, *, max_tokens: int, seed: int
) -> list[PackedBatch]:
    """Held-out sequences drawn at random, at most `max_tokens` tokens, with fixed masks.

    Which sequences those are depends on `seed` alone, so that other maskers hide tokens of the same text. All
    tokens see all. At least one sequence is taken; an empty list means there is no held-out text.
    """
    if not len(sequences.lengths):
        return []
    shuffled = generator(_HELD_OUT, seed).permutation(len(sequences.lengths))
    enough = int(np.searchsorted(np.cumsum(sequences.lengths[shuffled]), max_tokens, side="right"))
    taken = shuffled[: max(1, enough)]
    budget = max(_HELD_OUT_BATCH_TOKENS, int(sequences.lengths.max()))
    bounds = fill(sequences.lengths[taken], budget)
    return [masked_batch(sequences, masker, taken[start:stop], epoch=0) for start, stop in pairwise(bounds)]
