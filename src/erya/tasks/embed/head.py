"""The network of sentence vectors and what it is trained by.

S examples of one text or several, R texts of all of them, D width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from erya.data.batches import PackedBatch
from erya.models.heads.sentence import SentenceEncoder
from erya.nn.losses import LossTerm
from erya.nn.packing import PackedTensors
from erya.tasks.batches import split
from erya.tasks.embed.loss import contrastive_loss, cosent_loss, same_text
from erya.tasks.embed.recipe import Objective
from erya.tasks.learner import NetworkLearner

LOSS_NAME = "contrast"


@dataclass(frozen=True, slots=True)
class Contrast:
    """What vectors are trained by; see `EmbedRecipe`.

    Attributes:
        objective: which texts are to lie close together.
        temperature: cosines are divided by this.
        sizes: widths at which the loss is added besides the whole.
    """

    objective: Objective = "cosent"
    temperature: float = 0.05
    sizes: tuple[int, ...] = ()


class EmbedLearner(NetworkLearner):
    """Sentence vectors and their losses over whole batches of examples as `EmbedTask` encodes them.

    A batch is embedded in chunks. In training a chunk keeps its vectors alone; when their gradient, which
    the loss of the whole batch gives, comes back, the chunk is computed again, with the same dropout. So
    memory is that of a chunk, and the gradient that of the batch.

    Args:
        network: the encoder with its pooling.
        contrast: what it is trained by.
        normalise: whether vectors come out with length 1.
        chunk_tokens: tokens computed at once, at most (a longer text is a chunk of its own).
    Source: Gao et al. 2021, Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup, section
        3; a chunk that computes itself again in the backward pass does its four steps.
    """

    def __init__(
        self,
        network: SentenceEncoder,
        *,
        contrast: Contrast | None = None,
        normalise: bool = True,
        chunk_tokens: int = 8192,
    ) -> None:
        super().__init__(network)
        self._normalise, self._chunk_tokens = normalise, chunk_tokens
        self._contrast = contrast or Contrast()

    def logits(self, batch: PackedTensors) -> Tensor:
        """The vectors of all texts, float32, shape (R, D); in training by SimCSE twice, shape (2R, D)."""
        texts = texts_of(batch)
        views = 2 if self.network.training and self._contrast.objective == "simcse" else 1
        return torch.cat([self._embed(chunk) for _ in range(views) for chunk in self._chunks(texts)])

    def losses(self, logits: Tensor, batch: PackedTensors) -> list[LossTerm]:
        """The loss of the batch times its targets, so that the mean over batches is one of their losses."""
        sizes = [size for size in self._contrast.sizes if size < logits.shape[1]]
        losses = [self._loss(logits[:, :size], batch) for size in [*sizes, logits.shape[1]]]
        total, count = torch.stack([loss for loss, _ in losses]).sum(), losses[0][1]
        return [LossTerm(LOSS_NAME, total, count)]

    def log_probs(self, logits: Tensor, batch: PackedTensors) -> None:
        """There are no classes."""
        return

    def counts(self, batch: PackedBatch) -> Mapping[str, int]:
        """A target an example; of SimCSE a target a text."""
        if self._contrast.objective == "simcse":
            return {LOSS_NAME: len(batch.targets["text_lengths"])}
        return {LOSS_NAME: batch.num_sequences}

    def outputs(self, logits: Tensor, batch: PackedTensors) -> list[NDArray[Any]]:
        """The vectors of each example's texts, float32, shape (texts, D)."""
        vectors = functional.normalize(logits.float(), dim=-1) if self._normalise else logits.float()
        ends = np.cumsum(batch.targets["num_texts"].cpu().numpy())
        return np.split(np.asarray(vectors.detach().cpu().numpy()), ends[:-1])

    def _embed(self, chunk: PackedTensors) -> Tensor:
        if torch.is_grad_enabled():
            vectors: Tensor = checkpoint(self.network, chunk, use_reentrant=False)
        else:
            vectors = self.network(chunk)
        return vectors

    def _chunks(self, texts: PackedTensors) -> Iterator[PackedTensors]:
        for run in split(texts.lengths, size=len(texts.lengths), tokens=self._chunk_tokens):
            yield _part(texts, run)

    def _loss(self, vectors: Tensor, batch: PackedTensors) -> tuple[Tensor, int]:
        """The loss of one width and over how many targets it is the sum."""
        temperature, targets = self._contrast.temperature, batch.targets
        objective = self._contrast.objective
        if not self.network.training:
            # Without dropout a text lies on itself. A dev file has pairs; scores say of which kind.
            objective = "cosent" if "scores" in targets else "in_batch"
        if objective == "simcse":
            return _simcse(vectors, targets["text_keys"], temperature=temperature)
        firsts = functional.pad(targets["num_texts"].cumsum(0), (1, 0))[:-1]
        if objective == "cosent":
            loss = cosent_loss(
                vectors[firsts], vectors[firsts + 1], targets["scores"], temperature=temperature
            )
            return loss * len(firsts), len(firsts)
        return _in_batch(vectors, targets["text_keys"], firsts, temperature=temperature)


def texts_of(batch: PackedTensors) -> PackedTensors:
    """The texts of a batch's examples, each a sequence of its own."""
    lengths: list[int] = batch.targets["text_lengths"].tolist()
    sizes = torch.tensor(lengths, device=batch.ids.device)
    bounds = functional.pad(sizes.cumsum(0), (1, 0))
    starts = torch.repeat_interleave(bounds[:-1], sizes)
    positions = torch.arange(len(batch.ids), device=batch.ids.device) - starts
    return PackedTensors(batch.ids, batch.type_ids, positions, bounds.int(), tuple(lengths), {})


def _part(texts: PackedTensors, run: range) -> PackedTensors:
    """Some consecutive sequences."""
    lengths: Sequence[int] = texts.lengths[run.start : run.stop]
    begin = sum(texts.lengths[: run.start])
    rows = slice(begin, begin + sum(lengths))
    bounds = texts.bounds[run.start : run.stop + 1] - begin
    return PackedTensors(
        texts.ids[rows], texts.type_ids[rows], texts.positions[rows], bounds, tuple(lengths), {}
    )


def _simcse(vectors: Tensor, keys: Tensor, *, temperature: float) -> tuple[Tensor, int]:
    first, second = vectors.chunk(2)
    own = torch.arange(len(first), device=vectors.device)
    excluded = same_text(keys, keys, own)
    loss = contrastive_loss(first, second, right=own, temperature=temperature, excluded=excluded)
    return loss, len(first)


def _in_batch(vectors: Tensor, keys: Tensor, firsts: Tensor, *, temperature: float) -> tuple[Tensor, int]:
    is_candidate = torch.ones(len(vectors), dtype=torch.bool, device=vectors.device)
    is_candidate[firsts] = False
    # The right candidate of example s is the text behind its first; before it stand s + 1 that ask.
    right = firsts + 1 - torch.arange(1, len(firsts) + 1, device=vectors.device)
    excluded = same_text(keys[firsts], keys[is_candidate], right)
    loss = contrastive_loss(
        vectors[firsts], vectors[is_candidate], right=right, temperature=temperature, excluded=excluded
    )
    return loss, len(firsts)
