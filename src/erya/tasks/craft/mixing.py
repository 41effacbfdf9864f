"""Sequences mixed in pairs, with their truths.

S sequences, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from erya.nn.losses import LossTerm
from erya.nn.packing import PackedTensors


@dataclass(frozen=True, slots=True)
class Mixture:
    """Which sequence each is mixed with, and how much of it is left.

    Logits are mixed. The last layer of a classifier being linear, that is what mixing its inputs gives.

    Attributes:
        partner: int64, shape (S,).
        share: of the sequence itself, in [0, 1]; the rest is its partner's.
    Source: Zhang et al. 2018, mixup: Beyond Empirical Risk Minimization; on pooled states: Sun et al. 2020,
        Mixup-Transformer, section 3.
    """

    partner: Tensor
    share: float

    @classmethod
    def draw(cls, num_sequences: int, *, alpha: float, device: torch.device) -> Mixture:
        """A mixture keyed by torch's generator, as dropout is."""
        stream = np.random.Generator(np.random.Philox(int(torch.empty((), dtype=torch.int64).random_())))
        partner = torch.from_numpy(stream.permutation(num_sequences))
        return cls(partner.to(device), float(stream.beta(alpha, alpha)))

    def logits(self, logits: Tensor) -> Tensor:
        """From logits, a row a sequence, to those of the mixture."""
        assert len(logits) == len(self.partner), "one row of logits a sequence"
        return self.share * logits + (1.0 - self.share) * logits.index_select(0, self.partner)

    def partners(self, batch: PackedTensors) -> PackedTensors:
        """The batch with its partners' truths."""
        one_each = {name: rows for name, rows in batch.targets.items() if len(rows) == len(self.partner)}
        return replace(batch, targets={n: rows.index_select(0, self.partner) for n, rows in one_each.items()})

    def losses(self, own: Sequence[LossTerm], of_partners: Sequence[LossTerm]) -> list[LossTerm]:
        """The losses of mixed logits by the sequences' own truths and by their partners'."""
        return [
            replace(one, total=self.share * one.total + (1.0 - self.share) * other.total)
            for one, other in zip(own, of_partners, strict=True)
        ]
