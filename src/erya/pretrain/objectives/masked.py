"""Masked language modelling, with or without the prediction of sentence pairs, with or without a teacher.

M chosen positions, S sequences, H width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from erya.data.batches import PackedBatch
from erya.models.encoder import Encoder
from erya.models.heads.masked_pairs import MaskedPairModel
from erya.models.masked_lm import LOSS_NAME, MaskedLanguageModel
from erya.nn.losses import LossTerm, summed_cross_entropy
from erya.nn.packing import PackedTensors
from erya.pretrain.objectives.distillation import Distillation
from erya.pretrain.objectives.module import ObjectiveModule, Part
from erya.pretrain.objectives.sums import Sums
from erya.train.directory import MODEL_DIRECTORY

PAIR_LOSS = "next_sentence"


class MaskedTraining(ObjectiveModule):
    """A masked language model that learns from hidden tokens, from pairs of sentences and from a teacher.

    The targets of a batch are `masked_positions` and `masked_labels`, int64, shape (M,), and for a
    `MaskedPairModel` `next_sentence`, int64, shape (S,): 0 where the second text follows the first, 1 where
    it does not, -1 for sequences that are no pair.

    Args:
        model: what is trained; a `MaskedPairModel` predicts pairs too.
        masked_weight: of the loss of masked tokens.
        pair_weight: of the loss of pairs.
        keeps_pairs: whether the head for pairs and its pooler are part of what is saved.
        distillation: what else is learnt from a teacher; None for nothing.
    """

    def __init__(
        self,
        model: MaskedLanguageModel,
        *,
        masked_weight: float = 1.0,
        pair_weight: float = 1.0,
        keeps_pairs: bool = True,
        distillation: Distillation | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.masked_weight, self.pair_weight = masked_weight, pair_weight
        self.keeps_pairs, self.distillation = keeps_pairs, distillation

    def forward(self, batch: PackedTensors, *, sums: Sums | None = None) -> list[LossTerm]:
        """See `ObjectiveModule.forward`."""
        if sums is not None:
            return self._scored(batch, sums)
        if self.distillation is None:
            chosen, firsts = self._states(batch)
            taught = []
        else:
            with self.distillation.listening(self.model.encoder) as heard:
                chosen, firsts = self._states(batch)
            taught = self.distillation.terms(batch, self.model, chosen, heard)
        labels = batch.targets["masked_labels"]
        total = self.model.loss_of(chosen, labels)
        terms = [LossTerm(LOSS_NAME, total, len(labels), self.masked_weight), *taught]
        if isinstance(self.model, MaskedPairModel):
            terms.append(self._pair_loss(self.model, batch, firsts)[0])
        return terms

    def counts(self, batch: PackedBatch) -> Mapping[str, int]:
        """See `ObjectiveModule.counts`."""
        counts = {LOSS_NAME: len(batch.targets["masked_labels"])}
        if isinstance(self.model, MaskedPairModel):
            labels = batch.targets["next_sentence"].astype(np.int64)
            counts[PAIR_LOSS] = int((labels >= 0).sum())
        if self.distillation is not None:
            counts |= self.distillation.counts(batch)
        return counts

    def metrics(self, sums: Mapping[str, float]) -> dict[str, float]:
        """`loss`, `perplexity` and `masked_accuracy`; of pairs, if any, `next_sentence_...`."""
        found = masked_metrics(sums)
        if isinstance(self.model, MaskedPairModel) and (pairs := sums["pairs"]):
            found["next_sentence_loss"] = sums["pair_loss"] / pairs
            found["next_sentence_accuracy"] = sums["pairs_right"] / pairs
        return found

    def parts(self) -> dict[str, Part]:
        """The model, without what its family has no place for."""
        if self.keeps_pairs or not isinstance(self.model, MaskedPairModel):
            return {MODEL_DIRECTORY: Part(self.model, "masked_lm")}
        plain = MaskedLanguageModel(Encoder(self.model.encoder.config, pooler=False))
        kept = self.model.state_dict()
        plain.load_state_dict({name: kept[name] for name in plain.state_dict()})
        return {MODEL_DIRECTORY: Part(plain, "masked_lm")}

    def encoders(self) -> list[Encoder]:
        """The model's."""
        return [self.model.encoder]

    def _states(self, batch: PackedTensors) -> tuple[Tensor, Tensor | None]:
        """States of chosen and, for pairs, of first tokens."""
        if isinstance(self.model, MaskedPairModel):
            return self.model.states(batch)
        return self.model.encoder(batch, rows=batch.targets["masked_positions"]).hidden, None

    def _scored(self, batch: PackedTensors, sums: Sums) -> list[LossTerm]:
        chosen, firsts = self._states(batch)
        terms = [score_masked(self.model, chosen, batch.targets["masked_labels"], sums)]
        if isinstance(self.model, MaskedPairModel):
            term, right = self._pair_loss(self.model, batch, firsts)
            sums.add({"pair_loss": term.total, "pairs_right": right, "pairs": term.count})
            terms.append(term)
        return terms

    def _pair_loss(
        self, model: MaskedPairModel, batch: PackedTensors, firsts: Tensor | None
    ) -> tuple[LossTerm, Tensor]:
        """The loss of the pairs among the sequences, and how many are guessed right."""
        assert firsts is not None, "a model of pairs has states of first tokens"
        labels = batch.targets["next_sentence"]
        pairs = torch.nonzero(labels >= 0).squeeze(1)
        logits, wanted = model.pair_logits(firsts.index_select(0, pairs)), labels[pairs].long()
        right = (logits.argmax(dim=-1) == wanted).sum()
        total = summed_cross_entropy(logits, wanted)
        return LossTerm(PAIR_LOSS, total, len(pairs), self.pair_weight), right


def score_masked(model: MaskedLanguageModel, chosen: Tensor, labels: Tensor, sums: Sums) -> LossTerm:
    """The loss of masked tokens from their states, (M, H); it and the right guesses are added to `sums`."""
    total, right = model.score_of(chosen, labels)
    sums.add({"masked_loss": total, "masked_right": right, "masked": len(labels)})
    return LossTerm(LOSS_NAME, total, len(labels))


def masked_metrics(sums: Mapping[str, float]) -> dict[str, float]:
    """What the sums of `score_masked` say: NaN where none was masked, which no monitor takes for the best.

    The perplexity of a hopeless model is infinite, not an error.
    """
    count = sums["masked"] or math.nan
    loss = sums["masked_loss"] / count
    perplexity = math.inf if loss > 700 else math.exp(loss)
    return {"loss": loss, "perplexity": perplexity, "masked_accuracy": sums["masked_right"] / count}
