"""Running a learner over many sequences, in batches of similar lengths."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from erya.data.batches import pack
from erya.data.features import Features
from erya.nn.packing import PackedTensors
from erya.tasks.batches import split
from erya.tasks.learner import Learner


class LossSums:
    """The losses of many batches, added up."""

    def __init__(self) -> None:
        self._totals: defaultdict[str, float] = defaultdict(float)
        self._counts = Counter[str]()
        self._weights: dict[str, float] = {}

    def add(self, learner: Learner, logits: torch.Tensor, tensors: PackedTensors) -> None:
        """Add the loss terms of a batch with targets."""
        for term in learner.losses(logits, tensors):
            self._totals[term.name] += float(term.total)
            self._counts[term.name] += term.count
            self._weights[term.name] = term.weight

    @property
    def mean(self) -> float:
        """The weighted sum of the terms, each divided by its count."""
        return sum(
            self._weights[name] * total / max(self._counts[name], 1) for name, total in self._totals.items()
        )


def run(
    learner: Learner,
    features: Sequence[Features],
    *,
    device: torch.device,
    batch_tokens: int,
    losses: LossSums | None = None,
) -> list[NDArray[Any]]:
    """The outputs of each sequence, in the order of `features`.

    Args:
        learner: in evaluation mode; the caller turns gradients off.
        features: at least one.
        device: where the network is.
        batch_tokens: tokens of a batch, at most (a longer sequence is a batch of its own).
        losses: is given the losses of every batch; the features then have targets.
    """
    found: list[NDArray[Any] | None] = [None] * len(features)
    for places in batches_of(features, batch_tokens=batch_tokens):
        tensors = PackedTensors.from_batch(pack([features[place] for place in places]), device)
        logits = learner.logits(tensors)
        if losses is not None:
            losses.add(learner, logits, tensors)
        for place, output in zip(places, learner.outputs(logits, tensors), strict=True):
            found[place] = output
    return [output for output in found if output is not None]


def batches_of(features: Sequence[Features], *, batch_tokens: int) -> Iterator[NDArray[np.int64]]:
    """Places of sequences of similar lengths, the shortest first."""
    lengths = np.array([len(item.ids) for item in features])
    order = np.argsort(lengths, kind="stable")
    for each in split(lengths[order].tolist(), size=len(order), tokens=batch_tokens):
        yield order[each.start : each.stop]
