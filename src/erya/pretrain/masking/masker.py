"""Dynamic masking: which tokens to predict, and what the model sees in their place.

Masks are a function of (seed, epoch, sequence, place in the sequence), and of the rate where that changes.
They do not depend on how sequences are batched, split into micro-batches or spread over ranks, and every
epoch has fresh ones.

N tokens, S sequences, M chosen tokens.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from erya.data.batches import positions_of
from erya.pretrain.counter_random import keys
from erya.pretrain.masking.choice import choose_units
from erya.pretrain.masking.rate import Rate
from erya.pretrain.masking.replacement import BERT_SHARES, Replacer, Shares
from erya.pretrain.masking.streams import STREAMS
from erya.pretrain.masking.units import WORDS, Groups, Units, group_words, join_words


@dataclass(frozen=True, slots=True)
class Masked:
    """Tokens with some hidden.

    Attributes:
        ids: what the model sees, int32, shape (N,).
        positions: places of the chosen tokens, ascending, int64, shape (M,).
        labels: what stood there, int64, shape (M,).
    """

    ids: NDArray[np.int32]
    positions: NDArray[np.int64]
    labels: NDArray[np.int64]


class Masker:
    """Hides tokens of packed sequences.

    Args:
        prob: expected share of ordinary (not special) tokens chosen, in (0, 1], or one that changes with the
            tokens seen.
        units: what is chosen together.
        shares: how chosen tokens are replaced.
        similar: tokens that may stand for each other, int32, shape (V, K): see `Replacer`.
        vocab_size: V; ids are below it.
        special_ids: never chosen and never put in another's place.
        mask_id: of [MASK].
        seed: of the choices.
    """

    def __init__(
        self,
        *,
        prob: float | Rate,
        vocab_size: int,
        special_ids: Collection[int],
        mask_id: int,
        seed: int,
        units: Units = WORDS,
        shares: Shares = BERT_SHARES,
        similar: NDArray[np.int32] | None = None,
    ) -> None:
        self._rate = prob if isinstance(prob, Rate) else Rate(prob, prob, 0)
        self._units, self._seed = units, seed
        self._is_special = np.zeros(vocab_size, dtype=bool)
        self._is_special[list(special_ids)] = True
        self._replacer = Replacer(
            shares, mask_id=mask_id, vocab_size=vocab_size, special_ids=special_ids, similar=similar
        )

    def mask(
        self,
        ids: NDArray[np.int32],
        word_starts: NDArray[np.bool_],
        lengths: NDArray[np.integer],
        *,
        epoch: int,
        numbers: NDArray[np.integer],
        tokens_before: int = 0,
        predictable: NDArray[np.bool_] | None = None,
    ) -> Masked:
        """Choose units of every sequence and replace their tokens.

        Args:
            ids: packed tokens, special tokens included, shape (N,).
            word_starts: True where a word begins, shape (N,).
            lengths: tokens of each sequence, shape (S,).
            epoch: other epochs have other masks.
            numbers: identities of the sequences, shape (S,).
            tokens_before: tokens of the run before this global batch; a changing rate is a function of it.
            predictable: False for tokens that must not be chosen, shape (N,); None: any ordinary one may.
        """
        prob = self._rate.at(tokens_before)
        ordinary = ~self._is_special[ids]
        if predictable is not None:
            ordinary &= predictable
        keys_N = np.repeat(keys(self._seed, epoch, numbers), lengths)
        counters_N = positions_of(lengths).astype(np.int64) * STREAMS
        starts = word_starts if self._units.of_words else np.ones_like(ordinary)
        words = group_words(starts, ordinary, lengths)
        units = join_words(words, self._units, prob=prob, keys_N=keys_N, counters_N=counters_N)
        taken = choose_units(units, prob=prob, keys_N=keys_N, counters_N=counters_N)[units.of_token]
        positions = units.tokens[taken]
        seen = self._replacer.replace(
            ids[positions],
            keys=keys_N[positions],
            counters=counters_N[positions],
            deciding=counters_N[self._deciding(units)[taken]],
        )
        masked = ids.copy()
        masked[positions] = seen
        return Masked(ids=masked, positions=positions, labels=ids[positions].astype(np.int64))

    def _deciding(self, units: Groups) -> NDArray[np.int64]:
        """The token that decides how each ordinary token is replaced."""
        return units.first_tokens[units.of_token] if self._units.together else units.tokens
