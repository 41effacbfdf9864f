"""A packed batch as tensors.

N tokens, S sequences, L longest length, H width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from erya.data.batches import PackedBatch, bounds_of, positions_of
from erya.nn.prefixes import prefixes_of
from erya.nn.transfer import to_device


@dataclass(frozen=True, slots=True)
class PackedTensors:
    """`PackedBatch` on a device.

    Attributes:
        ids: int64, shape (N,).
        type_ids: int64, shape (N,).
        positions: int64, shape (N,).
        bounds: int32, shape (S + 1,), on the device.
        lengths: the sequence lengths, S Python integers: no wait for the device to know them.
        targets: what to predict, by name.
        has_gaps: whether some sequence's positions do not count 0, 1, 2, ... in either direction.
        task_ids: kind of task of each token, int64, shape (N,); None: 0 for all.
        prefixes: see `PackedBatch`, S Python integers from 1 to the length; None: all see all.
        has_reversed: whether some sequence is laid out from its last token to its first.
    """

    ids: Tensor
    type_ids: Tensor
    positions: Tensor
    bounds: Tensor
    lengths: tuple[int, ...]
    targets: dict[str, Tensor]
    has_gaps: bool = False
    task_ids: Tensor | None = None
    prefixes: tuple[int, ...] | None = None
    has_reversed: bool = False

    @property
    def max_length(self) -> int:
        return max(self.lengths)

    @classmethod
    def from_batch(cls, batch: PackedBatch, device: torch.device) -> PackedTensors:
        """`batch` on a device; a GPU gets it in one copy that the processor does not wait for."""
        integers = (batch.ids, batch.type_ids, batch.positions)
        arrays: list[np.ndarray] = [
            *(array.astype(np.int64) for array in integers),
            batch.bounds,
            *batch.targets.values(),
        ]
        ids, type_ids, positions, bounds, *targets = to_device(arrays, device)
        lengths = tuple(np.diff(batch.bounds).tolist())
        has_gaps, has_reversed = _order_of(batch.positions, np.array(lengths))
        return cls(
            ids=ids,
            type_ids=type_ids,
            positions=positions,
            bounds=bounds,
            lengths=lengths,
            targets=dict(zip(batch.targets, targets, strict=True)),
            has_gaps=has_gaps,
            prefixes=prefixes_of(batch.prefixes, lengths),
            has_reversed=has_reversed,
        )

    @classmethod
    def from_padded(
        cls,
        input_ids: Tensor,
        attention_mask: Tensor,
        token_type_ids: Tensor,
        *,
        position_ids: Tensor | None = None,
        task_ids: Tensor | None = None,
    ) -> PackedTensors:
        """Take the kept positions of a padded (S, L) batch; `repad` puts results back.

        The kept positions need not be a prefix: each token keeps the position it had in its row, or has the
        one that `position_ids`, shape (S, L), says.
        """
        keep = attention_mask.bool()
        lengths = keep.sum(dim=1).cpu().numpy()
        columns = torch.arange(input_ids.shape[1], device=input_ids.device).expand_as(input_ids)
        positions = (columns if position_ids is None else position_ids)[keep]
        counted = torch.from_numpy(positions_of(lengths)).to(positions.device)
        return cls(
            ids=input_ids[keep].long(),
            type_ids=token_type_ids[keep].long(),
            positions=positions,
            bounds=torch.from_numpy(bounds_of(lengths)).to(input_ids.device),
            lengths=tuple(lengths.tolist()),
            targets={},
            has_gaps=not torch.equal(positions, counted.to(positions.dtype)),
            task_ids=None if task_ids is None else task_ids[keep].long(),
        )


def _order_of(positions: np.ndarray, lengths: np.ndarray) -> tuple[bool, bool]:
    """Whether some sequence's positions have gaps, and whether some count down."""
    counted = positions_of(lengths)
    if np.array_equal(positions, counted):
        return False, False
    down = positions == np.repeat(lengths - 1, lengths) - counted
    starts = bounds_of(lengths)[:-1]
    is_up = np.logical_and.reduceat(positions == counted, starts)
    is_down = np.logical_and.reduceat(down, starts)
    return not bool((is_up | is_down).all()), bool((is_down & ~is_up).any())


def repad(packed: Tensor, attention_mask: Tensor) -> Tensor:
    """Packed rows, shape (N, H), back in their places in a padded (S, L, H) tensor of zeros."""
    padded = packed.new_zeros(*attention_mask.shape, *packed.shape[1:])
    padded[attention_mask.bool()] = packed
    return padded
