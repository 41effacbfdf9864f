"""Dynamic masking: which tokens to predict, and what the model sees in their place.

Masks are a function of (seed, epoch, sequence, place in the sequence). They do not depend on how sequences
are batched, split into micro-batches or spread over ranks, and every epoch has fresh ones.

N tokens, S sequences, W words, M chosen tokens.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from erya.data.batches import positions_of
from erya.pretrain.counter_random import below, draw, fractions, keys

MASKED_SHARE, RANDOM_SHARE = 0.8, 0.1  # of the chosen tokens; the rest stay as they are
# The random numbers of a token.
_ORDER, _PLACE, _TURN, _ACTION, _RANDOM_ID, _STREAMS = range(6)
_ORDER_BITS = np.uint64(40)


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
    """Hides words or tokens of packed sequences.

    Args:
        prob: expected share of ordinary (not special) tokens chosen, in (0, 1].
        whole_word: choose all tokens of a word or none; otherwise every token is its own word.
        vocab_size: ids are below this.
        special_ids: never chosen and never put in another's place.
        mask_id: put in place of most chosen tokens.
        seed: of the choices.
    """

    def __init__(
        self,
        *,
        prob: float,
        whole_word: bool,
        vocab_size: int,
        special_ids: Collection[int],
        mask_id: int,
        seed: int,
    ) -> None:
        self._prob, self._whole_word, self._mask_id, self._seed = prob, whole_word, mask_id, seed
        self._is_special = np.zeros(vocab_size, dtype=bool)
        self._is_special[list(special_ids)] = True
        self._ordinary_ids = np.flatnonzero(~self._is_special).astype(np.int32)

    def mask(
        self,
        ids: NDArray[np.int32],
        word_starts: NDArray[np.bool_],
        lengths: NDArray[np.integer],
        *,
        epoch: int,
        numbers: NDArray[np.integer],
    ) -> Masked:
        """Choose tokens of every sequence and replace them: 80 % [MASK], 10 % random, 10 % left.

        Args:
            ids: packed tokens, special tokens included, shape (N,).
            word_starts: True where a word begins, shape (N,); ignored unless whole words are chosen.
            lengths: tokens of each sequence, shape (S,).
            epoch: other epochs have other masks.
            numbers: identities of the sequences, shape (S,).
        Source: Devlin et al. 2019, BERT, section 3.1.
        """
        ordinary = ~self._is_special[ids]
        token_keys = np.repeat(keys(self._seed, epoch, numbers), lengths)
        counters = positions_of(lengths).astype(np.int64) * _STREAMS
        starts = word_starts if self._whole_word else np.ones_like(ordinary)
        chosen = choose_words(
            starts, ordinary, lengths, prob=self._prob, keys_N=token_keys, counters_N=counters
        )
        positions = np.flatnonzero(chosen)
        seen = self._replace(ids[positions], token_keys[positions], counters[positions])
        masked = ids.copy()
        masked[positions] = seen
        return Masked(ids=masked, positions=positions, labels=ids[positions].astype(np.int64))

    def _replace(
        self, ids: NDArray[np.int32], token_keys: NDArray[np.uint64], counters: NDArray[np.int64]
    ) -> NDArray[np.int32]:
        """What the model sees in place of chosen `ids`, shape (M,)."""
        action = fractions(draw(token_keys, counters + _ACTION))
        random_ids = self._ordinary_ids[
            below(draw(token_keys, counters + _RANDOM_ID), len(self._ordinary_ids))
        ]
        seen = np.where(action < MASKED_SHARE + RANDOM_SHARE, random_ids, ids)
        return np.where(action < MASKED_SHARE, np.int32(self._mask_id), seen)


def choose_words(
    word_starts_N: NDArray[np.bool_],
    ordinary_N: NDArray[np.bool_],
    lengths_S: NDArray[np.integer],
    *,
    prob: float,
    keys_N: NDArray[np.uint64],
    counters_N: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Choose whole words of every sequence, `prob` of its ordinary tokens.

    The words of a sequence are laid round a circle in random order, each as long as it has tokens. An arc of
    `prob` of the circle is cut out at a random place, and a word is chosen when a random point of it lies in
    the arc. So every word is chosen with probability `prob` whatever its length, and the chosen tokens of
    each sequence miss their expected number by two words at most, which independent draws would not give.

    A sequence that would get no word gets one all the same, so that every sequence teaches something:
    sequences shorter than about 1/prob tokens are masked a little more.

    Args:
        word_starts_N: True where a word begins, shape (N,). A sequence's first ordinary token begins one.
        ordinary_N: True for tokens that may be chosen, shape (N,).
        lengths_S: tokens of each sequence, shape (S,).
        prob: expected share of ordinary tokens chosen, in (0, 1].
        keys_N: the random key of each token's sequence, shape (N,).
        counters_N: first counter of each token, shape (N,).
    Returns:
        True for chosen tokens, shape (N,).
    Source: Cui et al. 2021, Pre-Training with Whole Word Masking for Chinese BERT, section 3.
    """
    words = _group_words(word_starts_N, ordinary_N, lengths_S)
    keys_W, counters_W = keys_N[words.first_tokens], counters_N[words.first_tokens]
    # Sequence number above, random bits below: one sort shuffles every sequence within its place.
    order = draw(keys_W, counters_W + _ORDER) >> (np.uint64(64) - _ORDER_BITS)
    shuffled = np.argsort(words.sequences.astype(np.uint64) << _ORDER_BITS | order, kind="stable")
    leads = np.flatnonzero(np.diff(words.sequences, prepend=-1))
    counts = np.diff(leads, append=len(shuffled))
    sizes = words.sizes[shuffled]
    before = np.cumsum(sizes) - sizes
    before -= np.repeat(before[leads], counts)
    circles = np.add.reduceat(sizes, leads) if len(leads) else sizes
    turns = fractions(draw(keys_W[leads], counters_W[leads] + _TURN)) * circles
    places = before + sizes * fractions(draw(keys_W, counters_W + _PLACE))[shuffled]
    circle = np.repeat(circles, counts)
    in_arc = (places + np.repeat(turns, counts)) % circle < prob * circle
    in_arc[leads[np.add.reduceat(in_arc, leads, dtype=np.int64) == 0]] = True
    taken = np.zeros(len(sizes), dtype=bool)
    taken[shuffled] = in_arc
    chosen = np.zeros(len(ordinary_N), dtype=bool)
    chosen[words.tokens] = taken[words.of_token]
    return chosen


@dataclass(frozen=True, slots=True)
class _Words:
    """Ordinary tokens grouped into words.

    Attributes:
        tokens: the ordinary tokens, ascending.
        of_token: the word of each of them.
        sizes: ordinary tokens of each word, shape (W,).
        first_tokens: the first one of each word, shape (W,).
        sequences: the sequence of each word, ascending, shape (W,).
    """

    tokens: NDArray[np.int64]
    of_token: NDArray[np.int64]
    sizes: NDArray[np.int64]
    first_tokens: NDArray[np.int64]
    sequences: NDArray[np.int64]


def _group_words(
    word_starts_N: NDArray[np.bool_], ordinary_N: NDArray[np.bool_], lengths_S: NDArray[np.integer]
) -> _Words:
    """Words of the ordinary tokens; one that begins with a special token is a word without it."""
    tokens = np.flatnonzero(ordinary_N)
    sequences = np.repeat(np.arange(len(lengths_S)), lengths_S)[tokens]
    started = np.diff(np.cumsum(word_starts_N)[tokens], prepend=-1) > 0
    begins = started | (np.diff(sequences, prepend=-1) != 0)
    of_token = np.cumsum(begins) - 1
    firsts = np.flatnonzero(begins)
    return _Words(tokens, of_token, np.bincount(of_token), tokens[firsts], sequences[firsts])
