"""The networks of tagging and what they are trained by.

`erya.tasks.learner.Learner` says what each part is for.

N tokens, R tokens that take part, S sequences, C tags, T types.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from erya.data.batches import PackedBatch
from erya.models.heads.chain import ChainClassifier
from erya.models.heads.pairs import SpanPairModel
from erya.nn.losses import LossTerm
from erya.nn.packing import PackedTensors
from erya.nn.span_pairs import find_spans, span_loss
from erya.tasks.learner import NetworkLearner
from erya.tasks.tag.targets import ENTITIES, LEFT_OUT, NUM_ENTITIES, TAGS

LOSS_NAME = "tag"


class TokenLearner(NetworkLearner):
    """A token classifier and its loss, the cross-entropy of each token that takes part.

    Batches have the target `tags`, int64, shape (N,), -100 where a token takes no part; logits have the shape
    (N, C).

    Args:
        network: the classifier.
    """

    def losses(self, logits: Tensor, batch: PackedTensors) -> list[LossTerm]:
        """Cross-entropy summed over tokens."""
        tags = batch.targets[TAGS]
        total = functional.cross_entropy(logits.float(), tags, ignore_index=LEFT_OUT, reduction="sum")
        return [LossTerm(LOSS_NAME, total, int((tags != LEFT_OUT).sum()))]

    def log_probs(self, logits: Tensor, batch: PackedTensors) -> Tensor:
        """Of the tags of tokens that take part, shape (R, C), float32."""
        return functional.log_softmax(logits.float(), dim=-1)[batch.targets[TAGS] != LEFT_OUT]

    def counts(self, batch: PackedBatch) -> Mapping[str, int]:
        """A target for each token that takes part."""
        return {LOSS_NAME: int((batch.targets[TAGS] != LEFT_OUT).sum())}

    def outputs(self, logits: Tensor, batch: PackedTensors) -> list[NDArray[np.float32]]:
        """The logits of each sequence, float32, shape (n, C)."""
        return np.split(logits.float().cpu().numpy(), np.cumsum(batch.lengths)[:-1])


class ChainLearner(TokenLearner):
    """A token classifier with a chain, trained by the likelihood of whole paths, in nats a token.

    Args:
        network: the classifier with its chain.
    """

    network: ChainClassifier

    def losses(self, logits: Tensor, batch: PackedTensors) -> list[LossTerm]:
        """Minus the log-likelihood of each sequence's path, summed; the count is that of tokens."""
        tags = batch.targets[TAGS]
        keep = tags != LEFT_OUT
        total = -self.network.crf.log_likelihood(logits, tags, batch.lengths, mask=keep)
        return [LossTerm(LOSS_NAME, total, int(keep.sum()))]

    def log_probs(self, logits: Tensor, batch: PackedTensors) -> Tensor:
        """Marginals: of the tags of tokens that take part, over all paths, shape (R, C), float32."""
        keep = batch.targets[TAGS] != LEFT_OUT
        return self.network.crf.log_marginals(logits, batch.lengths, mask=keep)[keep]

    def outputs(self, logits: Tensor, batch: PackedTensors) -> list[NDArray[np.float32]]:
        """Of each sequence scores of first, last and neighbouring tags, then logits, shape (2 + C + n, C)."""
        start, pairs, end = self.network.crf.moves()
        moves = torch.cat([start[None], end[None], pairs]).float().cpu().numpy()
        return [np.concatenate([moves, rows]) for rows in super().outputs(logits, batch)]


class SpanPairLearner(NetworkLearner):
    """A scorer of pairs of tokens and its loss.

    Batches have the targets `entities`, int64, shape (M, 3), and `num_entities`, shape (S,); logits are
    features of tokens, from which all pairs are scored, shape (N, 2 * D + 2 * T).

    Args:
        network: the scorer.
        threshold: the least probability of a pair that is given, in (0, 1).
    """

    network: SpanPairModel

    def __init__(self, network: SpanPairModel, *, threshold: float = 0.5) -> None:
        super().__init__(network)
        self._threshold = math.log(threshold / (1.0 - threshold))

    @property
    def _num_types(self) -> int:
        return self.network.tagger.num_types

    def losses(self, logits: Tensor, batch: PackedTensors) -> list[LossTerm]:
        """The softmax of `span_loss`; a target is a type of a sequence."""
        entities, counts = batch.targets[ENTITIES], batch.targets[NUM_ENTITIES]
        total = span_loss(logits, entities, counts, batch.lengths, self._num_types)
        return [LossTerm(LOSS_NAME, total, len(batch.lengths) * self._num_types)]

    def log_probs(self, logits: Tensor, batch: PackedTensors) -> None:
        """There is none: pairs are scored each for itself."""
        return None

    def counts(self, batch: PackedBatch) -> Mapping[str, int]:
        """A target for each type of each sequence."""
        return {LOSS_NAME: batch.num_sequences * self._num_types}

    def outputs(self, logits: Tensor, batch: PackedTensors) -> list[NDArray[np.float64]]:
        """Of each sequence first token, last token, type and score of the pairs found, shape (M, 4)."""
        return find_spans(logits, batch.lengths, self._num_types, threshold=self._threshold)
