"""What the model sees in place of chosen tokens: [MASK], another token, a similar one, or the token itself.

M chosen tokens, V tokens of the vocabulary, K candidates.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from erya.pretrain.counter_random import below, draw, fractions
from erya.pretrain.masking.streams import ACTION, RANDOM_ID, SIMILAR


@dataclass(frozen=True, slots=True)
class Shares:
    """How chosen tokens are replaced; what is left of 1 stays as it is.

    Attributes:
        mask: becomes [MASK].
        random: becomes any ordinary token.
        similar: becomes one of its similar tokens; a token that has none becomes any.
    Source: Devlin et al. 2019, BERT, section 3.1; with similar words Cui et al. 2020, MacBERT, section 3.
    """

    mask: float = 0.8
    random: float = 0.1
    similar: float = 0.0


BERT_SHARES = Shares()


class Replacer:
    """Replaces tokens of a vocabulary.

    Args:
        shares: how many of them in which way.
        mask_id: of [MASK].
        vocab_size: V; ids are below it.
        special_ids: never put in another's place.
        similar: ids that may stand for each token, -1 where there are no more, int32, shape (V, K); None: no
            token has a similar one.
    """

    def __init__(
        self,
        shares: Shares,
        *,
        mask_id: int,
        vocab_size: int,
        special_ids: Collection[int],
        similar: NDArray[np.int32] | None = None,
    ) -> None:
        self._shares, self._mask_id, self._similar = shares, mask_id, similar
        self._ordinary_ids = np.setdiff1d(np.arange(vocab_size), list(special_ids)).astype(np.int32)
        self._num_similar = None if similar is None else (similar >= 0).sum(axis=1)

    def replace(
        self,
        ids: NDArray[np.int32],
        *,
        keys: NDArray[np.uint64],
        counters: NDArray[np.int64],
        deciding: NDArray[np.int64],
    ) -> NDArray[np.int32]:
        """What stands in place of `ids`.

        Args:
            ids: chosen tokens, shape (M,).
            keys: the random key of each one's sequence, shape (M,).
            counters: first counter of each, shape (M,).
            deciding: first counter of the token that decides how it is replaced, shape (M,); what takes its
                place it draws itself.
        """
        action = fractions(draw(keys, deciding + ACTION))
        masked = self._shares.mask
        other = masked + self._shares.random + (self._shares.similar if self._similar is None else 0)
        random_ids = self._ordinary_ids[below(draw(keys, counters + RANDOM_ID), len(self._ordinary_ids))]
        seen = np.where(action < other, random_ids, ids)
        seen = np.where(action < masked, np.int32(self._mask_id), seen)
        if self._similar is None or self._num_similar is None:
            return seen
        rows = np.flatnonzero((action >= other) & (action < other + self._shares.similar))
        choices = self._num_similar[ids[rows]]
        picked = fractions(draw(keys[rows], counters[rows] + SIMILAR)) * choices
        similar_ids = self._similar[ids[rows], picked.astype(np.int64)]
        seen[rows] = np.where(choices > 0, similar_ids, random_ids[rows])
        return seen
