"""A learner that is trained by more than the loss of its labelled texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule

from erya.data.batches import PackedBatch
from erya.errors import ConfigError
from erya.models.encoder import Encoder
from erya.nn.losses import LossTerm
from erya.nn.packing import PackedTensors
from erya.tasks.craft.adversary import moved, no_offsets, stepped, uphill
from erya.tasks.craft.cached import forward_of
from erya.tasks.craft.distributions import divergence, unevenness
from erya.tasks.craft.hidden_words import WordDropout
from erya.tasks.craft.mixing import Mixture
from erya.tasks.craft.recipe import CraftRecipe
from erya.tasks.craft.replay import encoder_of, recorded, replaced, replayed
from erya.tasks.learner import Learner
from erya.tokenizer.any_tokenizer import AnyTokenizer

# Names of loss terms beside the learner's own, in metrics and counts.
R_DROP, SMOOTHING, _ADVERSARIAL = "r_drop", "label_smoothing", "_adversarial"


@dataclass(frozen=True, slots=True)
class _Pass:
    """What one run through the network gave.

    Attributes:
        terms: its losses.
        logits: the first, where there are several samples of dropout.
        count: how many targets the learner's own terms have.
    """

    terms: Sequence[LossTerm]
    logits: Tensor
    count: int


class Crafted(nn.Module):
    """A learner and what a craft recipe adds to its losses; a learner itself.

    In evaluation it is the learner. In training `forward` gives the learner's terms and some of its own, all
    of which `counts` counts. What compares or smooths distributions is a mean over rows, multiplied by how
    many targets the learner counts: so a step that is cut up learns the same.

    Args:
        learner: an `nn.Module`; see `erya.tasks.craft.applying` for what is changed in it beforehand.
        craft: what to add.
        tokenizer: the model's.
    Source: of R-Drop, Wu et al. 2021, section 2 and their code, in which the losses of the two passes are
        averaged; of several samples of dropout, Inoue 2019, Multi-Sample Dropout for Accelerated Training and
        Better Generalization; of the others see the modules beside this one.
    """

    def __init__(self, learner: Learner, craft: CraftRecipe, tokenizer: AnyTokenizer) -> None:
        super().__init__()
        assert isinstance(learner, nn.Module)
        self.learner: Learner = learner
        self._craft = craft
        words = craft.word_dropout
        self.hide_words = nn.Identity() if words is None else WordDropout(words, tokenizer)

    @property
    def network(self) -> nn.Module:
        """The learner's."""
        return self.learner.network

    @property
    def _encoder(self) -> Encoder:
        return encoder_of(self.network)

    def forward(self, batch: PackedTensors) -> list[LossTerm]:
        """The loss terms of a batch with targets.

        Raises:
            ConfigError: what the recipe adds wants distributions, which this learner's head does not give, or
                an adversary, which a model cut up over ranks cannot have.
        """
        if not self.training:
            return list(self.losses(self.logits(batch), batch))
        hidden: PackedTensors = self.hide_words(batch)
        if self._craft.adversarial is None:
            return self._regularised(hidden)[0]
        return self._against_adversary(hidden)

    def logits(self, batch: PackedTensors) -> Tensor:
        """The learner's; from cached states where the batch has them."""
        cached = forward_of(batch)
        with nullcontext() if cached is None else replaced(self._encoder, cached):
            return self.learner.logits(batch)

    def losses(self, logits: Tensor, batch: PackedTensors) -> Sequence[LossTerm]:
        """The learner's."""
        return self.learner.losses(logits, batch)

    def log_probs(self, logits: Tensor, batch: PackedTensors) -> Tensor | None:
        """The learner's."""
        return self.learner.log_probs(logits, batch)

    def outputs(self, logits: Tensor, batch: PackedTensors) -> list[NDArray[Any]]:
        """The learner's."""
        return self.learner.outputs(logits, batch)

    def counts(self, batch: PackedBatch) -> Mapping[str, int]:
        """Of the learner's terms and of those added."""
        counts = dict(self.learner.counts(batch))
        total = sum(counts.values())
        if self._craft.label_smoothing:
            counts[SMOOTHING] = total
        if self._craft.adversarial is not None:
            counts |= {name + _ADVERSARIAL: count for name, count in counts.items()}
        if self._craft.r_drop is not None:
            counts[R_DROP] = total
        return counts

    def _regularised(self, batch: PackedTensors) -> tuple[list[LossTerm], _Pass]:
        """The terms of one pass, or of the two that R-Drop compares; also the first pass."""
        first = self._pass(batch)
        if self._craft.r_drop is None:
            return list(first.terms), first
        second = self._pass(batch)
        apart = divergence(
            self._distributions(first.logits, batch), self._distributions(second.logits, batch)
        )
        term = LossTerm(R_DROP, apart * first.count, first.count, self._craft.r_drop.weight)
        return [*_mean([first.terms, second.terms]), term], first

    def _against_adversary(self, batch: PackedTensors) -> list[LossTerm]:
        """The terms of the batch as it is, and of the batch with its words moved."""
        recipe, encoder = self._craft.adversarial, self._encoder
        assert recipe is not None
        if isinstance(self, FSDPModule):  # which takes its weights apart again after any backward pass
            raise ConfigError(
                "craft.adversarial goes back through the model within a forward pass, which a model that is"
                " cut up over ranks cannot",
                hint="set train.parallel.kind=ddp",
            )
        offsets = no_offsets(encoder, batch)
        with moved(encoder, offsets):
            terms, latest = self._regularised(batch)
        for step in range(recipe.steps):
            # The first graph is that of `terms`, which the training step goes through again.
            gradient = uphill(latest.terms, offsets, keep_graph=step == 0)
            offsets = stepped(offsets, gradient, batch, stride=recipe.stride, epsilon=recipe.epsilon)
            offsets.requires_grad_(step + 1 < recipe.steps)
            with moved(encoder, offsets):
                latest = self._pass(batch)
        weight = recipe.weight
        return terms + [
            replace(term, name=term.name + _ADVERSARIAL, weight=term.weight * weight) for term in latest.terms
        ]

    def _pass(self, batch: PackedTensors) -> _Pass:
        """One run through the encoder, and as many through the head as there are samples."""
        samples = self._craft.dropout_samples
        if samples == 1:
            logits = self.logits(batch)
            terms = self._terms(logits, batch)
            return _Pass(terms, logits, _count(terms))
        with recorded(self._encoder) as outputs:
            logits = self.logits(batch)
        several = [self._terms(logits, batch)]
        for _ in range(samples - 1):
            with replayed(self._encoder, outputs):
                several.append(self._terms(self.learner.logits(batch), batch))
        return _Pass(_mean(several), logits, _count(several[0]))

    def _terms(self, logits: Tensor, batch: PackedTensors) -> list[LossTerm]:
        """The learner's terms, of mixed sequences where they are to be mixed, and the smoothing of labels."""
        if (mixup := self._craft.mixup) is not None:
            mixture = Mixture.draw(len(batch.lengths), alpha=mixup.alpha, device=logits.device)
            logits = mixture.logits(logits)
            of_partners = self.learner.losses(logits, mixture.partners(batch))
            terms = mixture.losses(self.learner.losses(logits, batch), of_partners)
        else:
            terms = list(self.learner.losses(logits, batch))
        if not (share := self._craft.label_smoothing):
            return terms
        count = sum(term.count for term in terms)
        even = unevenness(self._distributions(logits, batch)) * count
        kept = [replace(term, weight=term.weight * (1.0 - share)) for term in terms]
        return [*kept, LossTerm(SMOOTHING, even, count, share)]

    def _distributions(self, logits: Tensor, batch: PackedTensors) -> Tensor:
        log_probs = self.learner.log_probs(logits, batch)
        if log_probs is None:
            raise ConfigError(
                "this head gives no distribution over classes to compare or to smooth",
                hint="leave craft.r_drop and craft.label_smoothing out, or choose another head",
            )
        return log_probs


def _count(terms: Sequence[LossTerm]) -> int:
    """How many targets the learner's own terms have."""
    return sum(term.count for term in terms if term.name != SMOOTHING)


def _mean(several: Sequence[Sequence[LossTerm]]) -> list[LossTerm]:
    """Terms of the same batch, averaged."""
    return [
        replace(terms[0], total=torch.stack([term.total for term in terms]).mean())
        for terms in zip(*several, strict=True)
    ]
