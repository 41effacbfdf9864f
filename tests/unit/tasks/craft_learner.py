"""A learner of one class a sequence on a tiny encoder, and batches for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from erya.data.batches import PackedBatch, pack
from erya.data.features import Features
from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
from erya.models.heads.sequence import SequenceClassifier
from erya.models.initialise import initialise
from erya.nn.losses import LossTerm
from erya.nn.packing import PackedTensors
from erya.tasks.learner import NetworkLearner

NUM_CLASSES = 3
TOKENIZER: Any = SimpleNamespace(special_ids=frozenset({0, 2, 3, 4}), unk_id=1, mask_id=4)


class ToyLearner(NetworkLearner):
    """See `erya.tasks.learner.Learner`."""

    def __init__(self, network: SequenceClassifier, *, has_distributions: bool = True) -> None:
        super().__init__(network)
        self._has_distributions = has_distributions

    def losses(self, logits: Tensor, batch: PackedTensors) -> list[LossTerm]:
        labels = batch.targets["labels"]
        total = functional.cross_entropy(logits.float(), labels, reduction="sum")
        return [LossTerm("toy", total, len(labels))]

    def log_probs(self, logits: Tensor, batch: PackedTensors) -> Tensor | None:
        return functional.log_softmax(logits.float(), dim=-1) if self._has_distributions else None

    def counts(self, batch: PackedBatch) -> Mapping[str, int]:
        return {"toy": batch.num_sequences}

    def outputs(self, logits: Tensor, batch: PackedTensors) -> list[NDArray[Any]]:
        return list(logits.float().detach().numpy())


def toy_learner(*, dropout: float = 0.0, seed: int = 0, **config: object) -> ToyLearner:
    sizes = {
        "vocab_size": 40, "hidden_size": 16, "num_layers": 2, "num_heads": 2, "intermediate_size": 32,
        "max_positions": 12, "dropout_prob": dropout, "attention_dropout_prob": dropout,
    }  # fmt: skip
    network = SequenceClassifier(Encoder(EncoderConfig.model_validate(sizes | config)), NUM_CLASSES)
    initialise(network, initializer_range=0.3, generator=torch.Generator().manual_seed(seed))
    return ToyLearner(network).train()


def toy_features(lengths: Sequence[int] = (5, 9, 4, 7), *, seed: int = 0) -> list[Features]:
    rng = np.random.default_rng(seed)
    return [
        Features(
            np.array([2, *rng.integers(5, 40, length - 2), 3], dtype=np.int32),
            np.zeros(length, dtype=np.uint8),
            {"labels": np.int64(rng.integers(NUM_CLASSES))},
        )
        for length in lengths
    ]


def tensors(features: Sequence[Features]) -> PackedTensors:
    return PackedTensors.from_batch(pack(features), torch.device("cpu"))


def mean_loss(terms: Sequence[LossTerm]) -> Tensor:
    """What a step makes of the terms of a single batch."""
    return torch.stack([term.total * term.weight / term.count for term in terms]).sum()


def gradients(module: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    """Of the parameters that have one, by name."""
    module.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}
