"""Padding-free batches: one flat run of tokens and the bounds of its sequences.

N tokens, S sequences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from erya.data.features import Features


@dataclass(frozen=True, slots=True)
class PackedBatch:
    """Sequences laid end to end, without padding.

    Attributes:
        ids: token ids, int32, shape (N,).
        type_ids: segment ids, uint8, shape (N,).
        positions: place of each token within its own sequence, int32, shape (N,).
        bounds: sequence s is tokens bounds[s] to bounds[s + 1], int32, shape (S + 1,).
        max_length: tokens of the longest sequence.
        targets: what to predict, by name: one entry a sequence or what the objective defines.
        prefixes: so many first tokens of a sequence are seen by all its tokens, a later one by itself and
            those right of it; int32, shape (S,). 1: from left to right; the sequence's length: all see all,
            as in every sequence where this is None. What is read from right to left is laid out from its last
            token to its first, with descending positions and a prefix of 1.
        is_idle: another rank learns from it too; here its losses count nothing.
    """

    ids: NDArray[np.int32]
    type_ids: NDArray[np.uint8]
    positions: NDArray[np.int32]
    bounds: NDArray[np.int32]
    max_length: int
    targets: dict[str, NDArray[np.generic]]
    prefixes: NDArray[np.int32] | None = None
    is_idle: bool = False

    @property
    def num_tokens(self) -> int:
        return len(self.ids)

    @property
    def num_sequences(self) -> int:
        return len(self.bounds) - 1


def pack(features: Sequence[Features]) -> PackedBatch:
    """Lay `features` end to end; their targets are stacked by name, their targets in rows laid end to end.

    Args:
        features: at least one sequence, each with at least one token and the same target names.
    """
    assert features, "a batch has at least one sequence"
    lengths = np.array([len(item.ids) for item in features], dtype=np.int32)
    stacked = {name: np.stack([item.targets[name] for item in features]) for name in features[0].targets}
    rows = {
        name: np.concatenate([item.row_targets[name] for item in features])
        for name in features[0].row_targets
    }
    assert not stacked.keys() & rows.keys(), "a target has one name"
    return PackedBatch(
        ids=np.concatenate([item.ids for item in features]).astype(np.int32, copy=False),
        type_ids=np.concatenate([item.type_ids for item in features]).astype(np.uint8, copy=False),
        positions=positions_of(lengths),
        bounds=bounds_of(lengths),
        max_length=int(lengths.max()),
        targets=stacked | rows,
    )


def bounds_of(lengths: NDArray[np.integer]) -> NDArray[np.int32]:
    """Sequence bounds, shape (S + 1,), from lengths, shape (S,)."""
    bounds = np.zeros(len(lengths) + 1, dtype=np.int32)
    np.cumsum(lengths, out=bounds[1:])
    return bounds


def positions_of(lengths: NDArray[np.integer]) -> NDArray[np.int32]:
    """0, 1, 2, ... within each sequence, shape (N,), from lengths, shape (S,)."""
    bounds = bounds_of(lengths)
    return np.arange(bounds[-1], dtype=np.int32) - np.repeat(bounds[:-1], lengths)
