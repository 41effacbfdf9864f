"""Which tokens see which: in both directions, from left to right, from right to left, or a prefix in both.

Drawn for every sequence from (seed, epoch, its number), like its masks.

N tokens, S sequences.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from erya.data.batches import PackedBatch, bounds_of
from erya.pretrain.counter_random import draw, fractions, keys

_PATTERN, _PREFIX = 2**32 - 1, 2**32 - 2  # counters that no token has
_SHORTEST, _LONGEST = 0.25, 0.75  # of a sequence is its prefix


@dataclass(frozen=True, slots=True)
class PatternShares:
    """Of all sequences; they add up to 1.

    Attributes:
        both: all tokens see all.
        left_to_right: a token sees those left of it.
        right_to_left: a token sees those right of it.
        prefix: the first part is seen by all, and only what comes after it is predicted, from left to right.
    Source: Dong et al. 2019, Unified Language Model Pre-training (UniLM), section 2.3.
    """

    both: float = 1.0
    left_to_right: float = 0.0
    right_to_left: float = 0.0
    prefix: float = 0.0


@dataclass(frozen=True, slots=True)
class Drawn:
    """The patterns of a batch.

    Attributes:
        prefixes: first tokens that all see, int32, shape (S,).
        backwards: which sequences are read from right to left, shape (S,).
        predictable: False for the tokens of a prefix, shape (N,).
    """

    prefixes: NDArray[np.int32]
    backwards: NDArray[np.bool_]
    predictable: NDArray[np.bool_]


class Patterns:
    """Draws how each sequence is seen.

    Args:
        shares: of the patterns.
        seed: of the draws.
    """

    def __init__(self, shares: PatternShares, *, seed: int) -> None:
        self._shares, self._seed = shares, seed

    def draw(
        self,
        word_starts: NDArray[np.bool_],
        lengths: NDArray[np.int32],
        *,
        epoch: int,
        numbers: NDArray[np.integer],
    ) -> Drawn:
        """The patterns of sequences; a prefix ends before a word.

        Args:
            word_starts: True where a word begins, shape (N,).
            lengths: tokens of each sequence, shape (S,).
            epoch: other epochs have other patterns.
            numbers: identities of the sequences, shape (S,).
        """
        sequence_keys = keys(self._seed, epoch, numbers)
        drawn = fractions(draw(sequence_keys, np.full(len(numbers), _PATTERN)))
        shares = self._shares
        ends = np.cumsum([shares.both, shares.left_to_right, shares.right_to_left, shares.prefix])
        kind = np.searchsorted(ends[:-1] / ends[-1], drawn, side="right")
        part = fractions(draw(sequence_keys, np.full(len(numbers), _PREFIX)))
        cuts = _before_words(word_starts, lengths, _SHORTEST + (_LONGEST - _SHORTEST) * part)
        prefixes = np.select([kind == 0, kind == 3], [lengths, cuts], 1).astype(np.int32)
        first = np.repeat(bounds_of(lengths)[:-1], lengths)
        seen = np.repeat(np.where(kind == 3, prefixes, 0), lengths)
        return Drawn(prefixes, kind == 2, np.arange(len(word_starts)) - first >= seen)


def _before_words(
    word_starts: NDArray[np.bool_], lengths: NDArray[np.int32], parts: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Lengths of prefixes of about `parts` of each sequence, made longer until a word begins, shape (S,)."""
    bounds = bounds_of(lengths).astype(np.int64)
    wanted = bounds[:-1] + np.maximum((parts * lengths).astype(np.int64), 2)
    begins = np.append(np.flatnonzero(word_starts), bounds[-1])
    found = begins[np.searchsorted(begins, wanted)]
    return np.where(found < bounds[1:] - 1, found, wanted) - bounds[:-1]


def turn_round(batch: PackedBatch, backwards: NDArray[np.bool_]) -> PackedBatch:
    """Lay the sequences that are read from right to left out from their last token to their first.

    Args:
        batch: with the targets `masked_positions` and `masked_labels`.
        backwards: which sequences, shape (S,).
    """
    if not backwards.any():
        return batch
    lengths = np.diff(batch.bounds)
    places = np.arange(batch.num_tokens)
    mirrored = np.repeat(batch.bounds[:-1] + batch.bounds[1:] - 1, lengths) - places
    # A mirror is its own inverse: it says where a row comes from and where it goes.
    rows = np.where(np.repeat(backwards, lengths), mirrored, places)
    moved = rows[batch.targets["masked_positions"]]
    order = np.argsort(moved)
    targets = batch.targets | {
        "masked_positions": moved[order],
        "masked_labels": batch.targets["masked_labels"][order],
    }
    return PackedBatch(
        ids=batch.ids[rows],
        type_ids=batch.type_ids[rows],
        positions=batch.positions[rows],
        bounds=batch.bounds,
        max_length=batch.max_length,
        targets=targets,
        prefixes=batch.prefixes,
        is_idle=batch.is_idle,
    )
