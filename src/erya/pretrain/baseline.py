"""What a model must beat: a bigram model's guesses at the same masked tokens.

V tokens of vocabulary, P different pairs, M masked tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from erya.data.batches import PackedBatch
from erya.pretrain.sequences import ShardSequences

MAX_TOKENS = 5_000_000
_CHUNK_TOKENS = 1 << 20
_CHUNK_SCORES = 1 << 18  # scores at once: few enough to stay in the processor's cache
_PRIOR = 100.0  # tokens' worth of the single tokens' distribution, added to what was seen of a neighbour


@dataclass(frozen=True, slots=True)
class BigramModel:
    """How often a token stood right of another.

    Attributes:
        vocab_size: V.
        counts: how often each token was met, float32, shape (V,).
        keys: `left * V + right` of the pairs, ascending, int64, shape (P,).
        times: how often each was met, float32, shape (P,).
    """

    vocab_size: int
    counts: NDArray[np.float32]
    keys: NDArray[np.int64]
    times: NDArray[np.float32]

    @classmethod
    def count(
        cls, sequences: ShardSequences, *, vocab_size: int, max_tokens: int = MAX_TOKENS
    ) -> BigramModel:
        """Count pairs in sequences spread evenly over the text, special tokens included.

        Args:
            sequences: the text.
            vocab_size: ids are below this.
            max_tokens: about how many tokens to read; bounds the memory.
        """
        counts = np.zeros(vocab_size, dtype=np.int64)
        keys, times = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        for ids in _samples(sequences, max_tokens):
            counts += np.bincount(ids, minlength=vocab_size)
            keys, times = _merged(keys, times, ids[:-1].astype(np.int64) * vocab_size + ids[1:])
        return cls(vocab_size, counts.astype(np.float32), keys, times.astype(np.float32))

    def guess(
        self,
        left: NDArray[np.integer],
        right: NDArray[np.integer],
        seen: NDArray[np.integer],
        *,
        mask_id: int,
    ) -> NDArray[np.int64]:
        """The most likely tokens between two neighbours: P(token | left) P(right | token).

        Both are smoothed by how frequent single tokens are; a neighbour that is hidden says nothing. A token
        that is not hidden is what it was or any other at even odds, which speaks for it V times louder.

        Args:
            left, right: the neighbours as the model sees them, shape (M,).
            seen: what stands at the places themselves, shape (M,).
            mask_id: of hidden tokens.
        Returns:
            Guesses, shape (M,).
        """
        by_right = self._transposed()
        guesses = np.zeros(len(left), dtype=np.int64)
        step = max(1, _CHUNK_SCORES // self.vocab_size)
        for start in range(0, len(left), step):
            part = slice(start, start + step)
            scores = self._scores(left[part], right[part], by_right, mask_id)
            shown = np.flatnonzero(seen[part] != mask_id)
            scores[shown, seen[part][shown]] *= self.vocab_size
            guesses[part] = scores.argmax(axis=1)
        return guesses

    def _scores(
        self,
        left: NDArray[np.integer],
        right: NDArray[np.integer],
        by_right: tuple[NDArray[np.int64], NDArray[np.float32]],
        mask_id: int,
    ) -> NDArray[np.float32]:
        """P(token | left) P(right | token), shape (M, V), but for a factor of each row.

        Left out of P(right | token) is the part that all tokens share, so that most scores are written once.
        """
        prior = _PRIOR * self.counts / max(float(self.counts.sum()), 1.0)
        scales = np.stack([1 / (self.counts + _PRIOR), np.ones_like(self.counts)])
        hides_right = (right == mask_id).astype(np.int64)
        scores: NDArray[np.float32] = (prior * scales)[hides_right]
        rows, tokens, times = _pairs_of(self.keys, self.times, left, self.vocab_size, mask_id)
        scores[rows, tokens] += times * scales[hides_right[rows], tokens]
        rows, tokens, times = _pairs_of(*by_right, right, self.vocab_size, mask_id)
        scores[rows, tokens] *= 1 + times / prior[right[rows]]
        return scores

    def _transposed(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        left, right = np.divmod(self.keys, self.vocab_size)
        swapped = right * self.vocab_size + left
        order = np.argsort(swapped)
        return swapped[order], self.times[order]


def bigram_accuracy(
    sequences: ShardSequences, batches: Sequence[PackedBatch], *, vocab_size: int, mask_id: int
) -> float:
    """Share of the masked tokens of `batches` that a bigram model of `sequences` guesses, in [0, 1]."""
    model = BigramModel.count(sequences, vocab_size=vocab_size)
    return masked_accuracy(model, batches, mask_id=mask_id)


def masked_accuracy(model: BigramModel, batches: Sequence[PackedBatch], *, mask_id: int) -> float:
    """Share of the masked tokens of batches that a bigram model guesses, in [0, 1].

    Args:
        model: the counts.
        batches: with targets `masked_positions` and `masked_labels`, shape (M,); what `masked_batch` makes.
        mask_id: of hidden tokens.
    """
    # All at once, since the pairs are sorted by their right token for every call.
    neighbours: list[NDArray[np.integer]] = [np.zeros((3, 0), dtype=np.int64)]
    labels: list[NDArray[np.generic]] = [np.zeros(0, dtype=np.int64)]
    for batch in batches:
        places, ids = batch.targets["masked_positions"], batch.ids
        neighbours.append(np.stack([ids[places - 1], ids[places + 1], ids[places]]))
        labels.append(batch.targets["masked_labels"])
    left, right, seen = np.concatenate(neighbours, axis=1)
    guesses = model.guess(left, right, seen, mask_id=mask_id)
    return int((guesses == np.concatenate(labels)).sum()) / max(len(guesses), 1)


def _samples(sequences: ShardSequences, max_tokens: int) -> Iterable[NDArray[np.int32]]:
    """Tokens of sequences spread evenly over the text, some at a time."""
    lengths = sequences.lengths
    every = max(1, -(-int(lengths.sum(dtype=np.int64)) // max_tokens))
    numbers = np.arange(0, len(lengths), every)
    step = max(1, _CHUNK_TOKENS // max(int(lengths.max(initial=1)), 1))
    for start in range(0, len(numbers), step):
        yield sequences.read(numbers[start : start + step]).ids


def _merged(
    keys: NDArray[np.int64], times: NDArray[np.int64], more: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Counts of keys with some more met once each."""
    new_keys, new_times = np.unique(more, return_counts=True)
    together, places = np.unique(np.concatenate([keys, new_keys]), return_inverse=True)
    added = np.zeros(len(together), dtype=np.int64)
    np.add.at(added, places, np.concatenate([times, new_times]))
    return together, added


def _pairs_of(
    keys: NDArray[np.int64],
    times: NDArray[np.float32],
    neighbours: NDArray[np.integer],
    vocab_size: int,
    mask_id: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """The pairs of every neighbour, but hidden ones: (which neighbour, the other token, how often)."""
    firsts = neighbours.astype(np.int64) * vocab_size
    starts = np.searchsorted(keys, firsts)
    stops = np.where(neighbours == mask_id, starts, np.searchsorted(keys, firsts + vocab_size))
    sizes = stops - starts
    rows = np.repeat(np.arange(len(neighbours)), sizes)
    places = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes) + np.repeat(starts, sizes)
    return rows, keys[places] - firsts[rows], times[places]
