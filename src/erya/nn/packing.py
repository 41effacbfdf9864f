"""A packed batch as tensors.

N tokens, S sequences, L longest length, H width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from erya.data.batches import PackedBatch, bounds_of, positions_of


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
        has_gaps: whether some sequence's positions do not count 0, 1, 2, ...
        task_ids: kind of task of each token, int64, shape (N,); None: 0 for all.
    """

    ids: Tensor
    type_ids: Tensor
    positions: Tensor
    bounds: Tensor
    lengths: tuple[int, ...]
    targets: dict[str, Tensor]
    has_gaps: bool = False
    task_ids: Tensor | None = None

    @property
    def max_length(self) -> int:
        return max(self.lengths)

    @classmethod
    def from_batch(cls, batch: PackedBatch, device: torch.device) -> PackedTensors:
        """Copy `batch` to `device`."""

        def move(array: np.ndarray, dtype: torch.dtype | None = None) -> Tensor:
            tensor = torch.from_numpy(np.ascontiguousarray(array)).to(dtype)
            return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor

        return cls(
            ids=move(batch.ids, torch.int64),
            type_ids=move(batch.type_ids, torch.int64),
            positions=move(batch.positions, torch.int64),
            bounds=move(batch.bounds),
            lengths=tuple(np.diff(batch.bounds).tolist()),
            targets={name: move(array) for name, array in batch.targets.items()},
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


def repad(packed: Tensor, attention_mask: Tensor) -> Tensor:
    """Packed rows, shape (N, H), back in their places in a padded (S, L, H) tensor of zeros."""
    padded = packed.new_zeros(*attention_mask.shape, *packed.shape[1:])
    padded[attention_mask.bool()] = packed
    return padded
