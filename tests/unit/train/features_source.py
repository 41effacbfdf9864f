"""A source over examples in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from erya.data.batches import PackedBatch, pack
from erya.data.features import Features
from erya.data.plan import WHOLE, Plan, Share


class FeaturesSource:
    """Shuffles `features` anew each epoch and fills them into token-budget batches.

    Args:
        features: at least one, all with the same target names.
        batch_tokens: most tokens of a global batch.
        seed: of the shuffles.
    Raises:
        ConfigError: there are no features, or one is larger than a batch.
    """

    def __init__(
        self,
        features: Sequence[Features],
        *,
        batch_tokens: int,
        seed: int = 0,
    ) -> None:
        self._features = features
        lengths = np.array([len(item.ids) for item in features], dtype=np.int32)
        self._plan = Plan(lengths, batch_tokens=batch_tokens, seed=seed)

    def num_batches(self, epoch: int) -> int:
        return self._plan.num_batches(epoch)

    def batch(self, epoch: int, index: int, share: Share = WHOLE) -> list[PackedBatch]:
        return [
            replace(pack([self._features[number] for number in piece.sequences]), is_idle=piece.is_idle)
            for piece in self._plan.pieces(epoch, index, share)
        ]
