"""A model of a few hundred numbers that learns to say which of two kinds of token a sequence has more of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from features_source import FeaturesSource
from torch import Tensor, nn

from erya.config import StrictModel
from erya.data.batches import PackedBatch
from erya.data.features import Features
from erya.train.loop import TrainResult, train
from erya.train.recipe import TrainRecipe


class ToyRecipe(StrictModel):
    train: TrainRecipe
    colour: str = "blue"


@dataclass(frozen=True)
class ToyTerm:
    name: str
    total: Tensor
    count: int
    weight: float = 1.0


class ToyModel(nn.Module):
    """Mean of embeddings, dropout, a norm and a classifier."""

    def __init__(self, *, dropout: float = 0.3) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.words = nn.Embedding(16, 8)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(8)
        self.classifier = nn.Linear(8, 2)

    def forward(self, batch: PackedBatch) -> Tensor:
        ids, bounds = torch.from_numpy(batch.ids).long(), torch.from_numpy(batch.bounds)
        rows = torch.nn.functional.embedding_bag(ids, self.words.weight, bounds[:-1].long(), mode="mean")
        return self.classifier(self.norm(self.dropout(rows)))


class ToyWithLoss(ToyModel):
    """`ToyModel` that gives its loss."""

    def __init__(self, *, dropout: float, poison: range) -> None:
        super().__init__(dropout=dropout)
        self.poison, self.calls = poison, 0

    def forward(self, batch: PackedBatch) -> list[ToyTerm]:  # type: ignore[override]
        labels = torch.from_numpy(batch.targets["label"])
        total = nn.functional.cross_entropy(super().forward(batch).float(), labels, reduction="sum")
        if self.calls in self.poison:
            total = total * float("nan")
        self.calls += 1
        return [ToyTerm("label", total, batch.num_sequences)]


class ToyTrainable:
    """Cross entropy over sequences. `poison` names a (call) at which the loss is NaN."""

    def __init__(self, *, dropout: float = 0.3, poison: range = range(0)) -> None:
        self.module = ToyWithLoss(dropout=dropout, poison=poison)

    def counts(self, batch: PackedBatch) -> Mapping[str, int]:
        return {"label": batch.num_sequences}

    def inputs(self, batch: PackedBatch) -> PackedBatch:
        return batch


def toy_features(count: int = 60) -> list[Features]:
    rng = np.random.default_rng(3)
    items = []
    for _ in range(count):
        ids = rng.integers(0, 16, size=rng.integers(2, 9)).astype(np.int32)
        label = np.int64((ids < 8).mean() > 0.5)
        items.append(Features(ids, np.zeros(len(ids), np.uint8), {"label": label}))
    return items


def toy_recipe(**changes: object) -> ToyRecipe:
    settings: dict[str, object] = {
        "steps": 20,
        "batch_tokens": 40,
        "learning_rate": 0.01,
        "precision": "float32",
        "save_every_steps": 5,
        "threads": 1,
    }
    return ToyRecipe(train=TrainRecipe.model_validate(settings | changes))


def toy_run(directory: Path, trainable: ToyTrainable | None = None, **options: object) -> TrainResult:
    """Train a fresh toy in `directory` (or go on with the run there)."""
    recipe = options.pop("recipe", None) or toy_recipe()
    assert isinstance(recipe, ToyRecipe)
    source = FeaturesSource(
        toy_features(),
        batch_tokens=recipe.train.batch_tokens,
        seed=recipe.train.seed,
    )
    trainable = trainable or ToyTrainable()
    return train(
        trainable,
        source,
        recipe=recipe.train,
        run_recipe=recipe,
        directory=directory,
        **options,  # type: ignore[arg-type]
    )
