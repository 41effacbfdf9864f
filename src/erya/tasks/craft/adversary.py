"""Words moved to where the loss is greater.

N tokens, S sequences, E width of the word embeddings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from erya.models.encoder import Encoder
from erya.nn.losses import LossTerm
from erya.nn.packing import PackedTensors

# Below this a gradient is none: dividing by its length would make noise of rounding.
_TINY = 1e-30


@contextmanager
def moved(encoder: Encoder, offsets: Tensor) -> Iterator[None]:
    """The encoder sees its word embeddings moved meanwhile; no parameter is changed.

    Args:
        encoder: called once or more with one and the same batch.
        offsets: shape (N, E).
    """

    def move(module: nn.Module, inputs: Any, embedded: Tensor) -> Tensor:
        return embedded + offsets

    handle = encoder.embeddings.words.register_forward_hook(move)
    try:
        yield
    finally:
        handle.remove()


def no_offsets(encoder: Encoder, batch: PackedTensors) -> Tensor:
    """Zeros by which a loss can be differentiated, shape (N, E)."""
    words = encoder.embeddings.words.weight
    return words.new_zeros(len(batch.ids), words.shape[1], requires_grad=True)


def uphill(terms: Sequence[LossTerm], offsets: Tensor, *, keep_graph: bool) -> Tensor:
    """How the loss grows with the offsets, shape (N, E).

    Terms are added up, not averaged: what a sequence's own embeddings do then depends on its own loss alone,
    so that the direction is the same however a batch is cut up.

    Args:
        terms: losses that `offsets` had a part in.
        keep_graph: whether they are differentiated again later.
    """
    total = torch.stack([term.total.float() * term.weight for term in terms]).sum()
    with torch.autocast(offsets.device.type, enabled=False):
        (gradient,) = torch.autograd.grad(total, offsets, retain_graph=keep_graph)
    return gradient


def stepped(
    offsets: Tensor, gradient: Tensor, batch: PackedTensors, *, stride: float, epsilon: float
) -> Tensor:
    """Offsets a step further up, none longer than allowed: of each sequence, all its embeddings taken as one.

    Args:
        offsets: shape (N, E).
        gradient: of the loss, shape (N, E).
        batch: where the sequences are.
        stride: the length of the step of each sequence.
        epsilon: the greatest length of a sequence's offsets.
    Returns:
        Shape (N, E), without history; 0 for a sequence that has no gradient.
    Source: Miyato et al. 2017, Adversarial Training Methods for Semi-Supervised Text Classification, equation
        5; steps and projection: Madry et al. 2018, Towards Deep Learning Models Resistant to Adversarial
        Attacks, section 2.1.
    """
    with torch.no_grad():
        sequence = torch.repeat_interleave(torch.tensor(batch.lengths, device=gradient.device))
        further = offsets + gradient * (stride / _lengths(gradient, batch, sequence))[sequence, None]
        lengths = _lengths(further, batch, sequence)
        return further * (epsilon / lengths).clamp(max=1.0)[sequence, None]


def _lengths(vectors: Tensor, batch: PackedTensors, sequence: Tensor) -> Tensor:
    """The Euclidean length of each sequence's vectors, taken as one; shape (S,), above 0."""
    squares = vectors.float().square().sum(dim=1)
    sums = squares.new_zeros(len(batch.lengths)).index_add_(0, sequence, squares)
    return sums.sqrt().clamp(min=_TINY)
