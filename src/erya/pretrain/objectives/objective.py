"""An objective of pre-training as the training loop sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from erya.data.batches import PackedBatch
from erya.nn.packing import PackedTensors
from erya.pretrain.objectives.module import ObjectiveModule
from erya.pretrain.objectives.sums import Sums
from erya.train.ranks import ALONE, Ranks


class PretrainObjective:
    """Trains and scores what an objective consists of.

    Args:
        module: the models and their losses.
        held_out: masked batches to score them on, by the kind of masking; that of the first is not named in
            the keys of what is found. The same on all ranks.
        ranks: the processes that score them together, each a part.
    """

    def __init__(
        self,
        module: ObjectiveModule,
        *,
        held_out: Mapping[str, Sequence[PackedBatch]] | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        self.module, self._held_out, self._ranks = module, held_out or {}, ranks

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
            metrics = self.module.metrics(self._sums_over(batches))
            found |= {f"eval_{name}{ending}": value for name, value in metrics.items()}
        return found

    def _sums_over(self, batches: Sequence[PackedBatch]) -> dict[str, float]:
        """The sums over all ranks. These take equally many passes, since a spread module needs them all."""
        total, ranks = Sums(), self._ranks
        for first in range(0, len(batches), ranks.num_ranks):
            place, of_batch = first + ranks.rank, Sums()
            self.module(self.inputs(batches[min(place, len(batches) - 1)]), sums=of_batch)
            total.merge(of_batch, times=int(place < len(batches)))
        mine = total.as_dict()
        summed = ranks.add_up(torch.tensor([*mine.values()], dtype=torch.float64))
        return dict(zip(mine, summed.tolist(), strict=True))

    @property
    def _device(self) -> torch.device:
        return next(self.module.parameters()).device
