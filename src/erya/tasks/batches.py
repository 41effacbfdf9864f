"""The order of fine-tuning: examples in memory, shuffled anew each epoch, as a function of (seed, epoch)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from erya.data.batches import PackedBatch, pack
from erya.data.features import Features
from erya.data.plan import WHOLE, Share, divide
from erya.runtime import generator

_SHUFFLE = 0xF17E  # keeps this stream of random numbers apart from others with the same seed


class ExampleBatches:
    """A source of global batches for the training loop.

    A batch ends when it holds `batch_size` examples or the next would exceed `batch_tokens`.

    Args:
        features: at least one, encoded once, all with the same target names.
        batch_size: most examples of a global batch.
        batch_tokens: most tokens of a global batch; a longer example is a batch of its own.
        seed: of the shuffles.
    """

    def __init__(
        self,
        features: Sequence[Features],
        *,
        batch_size: int,
        batch_tokens: int,
        seed: int = 0,
    ) -> None:
        assert features, "nothing to train on"
        self._features, self._seed = features, seed
        self._batch_size, self._batch_tokens = batch_size, batch_tokens
        self._groups = lru_cache(maxsize=2)(self._group)

    def num_batches(self, epoch: int) -> int:
        """Global batches of `epoch`."""
        return len(self._groups(epoch))

    def batch(self, epoch: int, index: int, share: Share = WHOLE) -> list[PackedBatch]:
        """The micro-batches of global batch `index` of `epoch` that `share` computes."""
        chosen = [self._features[number] for number in self._groups(epoch)[index]]
        pieces = divide(np.array([len(item.ids) for item in chosen]), share)
        return [
            replace(pack([chosen[place] for place in piece.sequences]), is_idle=piece.is_idle)
            for piece in pieces
        ]

    def _group(self, epoch: int) -> list[NDArray[np.int64]]:
        order = generator(_SHUFFLE, self._seed, epoch).permutation(len(self._features))
        lengths = [len(self._features[number].ids) for number in order]
        groups = split(lengths, size=self._batch_size, tokens=self._batch_tokens)
        return [order[group.start : group.stop] for group in groups]


def split(lengths: Sequence[int], *, size: int, tokens: int) -> list[range]:
    """Cut a row of sequences into runs of at most `size` sequences and `tokens` tokens (or one sequence)."""
    runs, start, held = [], 0, 0
    for place, length in enumerate(lengths):
        if place > start and (place - start == size or held + length > tokens):
            runs.append(range(start, place))
            start, held = place, 0
        held += length
    return [*runs, range(start, len(lengths))] if lengths else []
