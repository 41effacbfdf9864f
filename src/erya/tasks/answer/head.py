"""The network of reading comprehension and what it is trained by.

N tokens, S sequences, L tokens of the longest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from erya.data.batches import PackedBatch
from erya.nn.losses import LossTerm
from erya.nn.packing import PackedTensors
from erya.tasks.answer.task import ANSWER, TOUCHABLE
from erya.tasks.learner import NetworkLearner

LOSS_NAME = "answer"
# The logarithm of no probability at all: finite, so that differences of two are 0.
_NEVER = -1e4


class AnswerLearner(NetworkLearner):
    """A span model and its loss; `erya.tasks.learner.Learner` says what each part is for.

    Batches have the targets `answer` and `touchable`; logits are of beginning and of ending, shape (N, 2).

    Args:
        network: the span model.
    """

    def losses(self, logits: Tensor, batch: PackedTensors) -> list[LossTerm]:
        """The mean of two cross-entropies, over the tokens of a sequence where an answer may begin and end.

        A sequence whose answer cannot be learnt has no part in it.

        Source: Devlin et al. 2019, BERT, sections 4.2 and 4.3.
        """
        answers = batch.targets[ANSWER]
        log_probs = _log_softmax(logits, batch)
        known = answers[:, 0] >= 0
        places = answers.clamp(min=0) + batch.bounds[:-1, None].long()
        total = -torch.where(known[:, None], log_probs.gather(0, places), 0.0).sum() / 2
        return [LossTerm(LOSS_NAME, total, int(known.sum()))]

    def log_probs(self, logits: Tensor, batch: PackedTensors) -> Tensor:
        """Of beginnings and of endings over the places of each sequence, shape (2 S, L), float32.

        Rows are as long as the longest; behind the end of a sequence, and where its answer can neither begin
        nor end, stands the logarithm of 0, a finite stand-in.
        """
        log_probs = _log_softmax(logits, batch)
        rows = log_probs.new_full((len(batch.lengths), batch.max_length, 2), _NEVER)
        keep = torch.arange(batch.max_length, device=logits.device) < batch.bounds.diff()[:, None]
        rows[keep] = log_probs.clamp(min=_NEVER)
        return rows.transpose(1, 2).reshape(-1, batch.max_length)

    def counts(self, batch: PackedBatch) -> Mapping[str, int]:
        """A target for each sequence whose answer can be learnt."""
        return {LOSS_NAME: int((batch.targets[ANSWER][:, 0].astype(np.int64) >= 0).sum())}

    def outputs(self, logits: Tensor, batch: PackedTensors) -> list[NDArray[Any]]:
        """The logits of each sequence, float32, shape (n, 2)."""
        flat = np.asarray(logits.float().cpu().numpy())
        return np.split(flat, np.cumsum(batch.lengths)[:-1])


def _log_softmax(logits: Tensor, batch: PackedTensors) -> Tensor:
    """Over the touchable tokens of each sequence, float32, shape (N, 2); minus infinity elsewhere."""
    masked = logits.float().masked_fill(~batch.targets[TOUCHABLE][:, None], -torch.inf)
    sequence = torch.repeat_interleave(torch.tensor(batch.lengths, device=logits.device))
    empty = masked.new_zeros(len(batch.lengths), 2)
    index = sequence[:, None].expand_as(masked)
    # The first token is touchable, so every peak is finite.
    peaks = empty.scatter_reduce(0, index, masked.detach(), reduce="amax", include_self=False)
    sums = empty.scatter_add(0, index, (masked - peaks[sequence]).exp())
    return masked - (peaks + sums.log())[sequence]
