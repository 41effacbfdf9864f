"""An objective of pre-training as the training loop sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch

from erya.data.batches import PackedBatch
from erya.data.plan import WHOLE, Share
from erya.nn.packing import PackedTensors
from erya.pretrain.objectives.module import ObjectiveModule
from erya.pretrain.objectives.sums import Sums

ReduceSums = Callable[[dict[str, float]], Mapping[str, float]]
"""Adds sums up over all ranks, name by name; every rank calls it with the same names."""


class PretrainObjective:
    """Trains and scores what an objective consists of.

    Args:
        module: the models and their losses.
        held_out: masked batches to score them on, by the kind of masking; that of the first is not named in
            the keys of what is found. The same on all ranks.
        share: which rank of how many this is; each scores a part of the batches.
        reduce_sums: adds the parts up.
    """

    def __init__(
        self,
        module: ObjectiveModule,
        *,
        held_out: Mapping[str, Sequence[PackedBatch]] | None = None,
        share: Share = WHOLE,
        reduce_sums: ReduceSums = dict,
    ) -> None:
        self.module, self._held_out = module, held_out or {}
        self._share, self._reduce_sums = share, reduce_sums

    def counts(self, batch: PackedBatch) -> Mapping[str, int]:
        """See `erya.train.protocols.Trainable`."""
        return self.module.counts(batch)

    def inputs(self, batch: PackedBatch) -> PackedTensors:
        """See `erya.train.protocols.Trainable`."""
        return PackedTensors.from_batch(batch, self._device)

    def evaluate(self) -> dict[str, float]:
        """Score the held-out batches, one at a time; nothing but sums is kept.

        Returns:
            `eval_loss` in nats a masked token, `eval_perplexity`, `eval_masked_accuracy` in [0, 1], and what
            else the objective tells; of the second and later kinds of masking with `_KIND` behind.
        """
        found: dict[str, float] = {}
        for number, (kind, batches) in enumerate(self._held_out.items()):
            ending = f"_{kind}" if number else ""
            metrics = self.module.metrics(self._reduce_sums(self._sums_over(batches)))
            found |= {f"eval_{name}{ending}": value for name, value in metrics.items()}
        return found

    def _sums_over(self, batches: Sequence[PackedBatch]) -> dict[str, float]:
        """This rank's sums. All ranks take equally many passes, since a spread module needs them all."""
        total, share = Sums(), self._share
        for first in range(0, len(batches), share.num_ranks):
            place, of_batch = first + share.rank, Sums()
            self.module(self.inputs(batches[min(place, len(batches) - 1)]), sums=of_batch)
            total.merge(of_batch, times=int(place < len(batches)))
        return total.as_dict()

    @property
    def _device(self) -> torch.device:
        return next(self.module.parameters()).device
