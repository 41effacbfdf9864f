"""Training craft on a GPU, under autocast: what is added to a loss is what a processor adds in float32."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from craft_learner import TOKENIZER, mean_loss, tensors, toy_features, toy_learner
from torch import Tensor

from erya.config import validate
from erya.nn.packing import PackedTensors
from erya.tasks.craft.applying import crafted
from erya.tasks.craft.recipe import CraftRecipe

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"),
]
RECIPES = [
    {"adversarial": {"epsilon": 0.3, "steps": 2}, "label_smoothing": 0.1},
    {"lora": {"rank": 4, "targets": ["qkv", "output", "feedforward"]}, "adversarial": {"epsilon": 0.3}},
]


def on_gpu(batch: PackedTensors) -> PackedTensors:
    moved = {f.name: v.cuda() for f in fields(batch) if isinstance(v := getattr(batch, f.name), Tensor)}
    return replace(batch, **moved, targets={name: rows.cuda() for name, rows in batch.targets.items()})


@pytest.mark.parametrize("recipe", RECIPES)
def test_losses_and_gradients_are_those_of_a_processor(recipe: dict[str, object]) -> None:
    batch, found = tensors(toy_features()), []
    for device in ("cpu", "cuda"):
        learner = toy_learner(hidden_size=32)
        asked = validate(CraftRecipe, recipe, where="the test")
        module = crafted(learner, asked, tokenizer=TOKENIZER, seed=0, tell=lambda text: None)
        assert isinstance(module, torch.nn.Module)
        module.to(device).train()
        with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
            loss = mean_loss(module(batch if device == "cpu" else on_gpu(batch)))
        loss.backward()
        found.append((loss.item(), learner.network.classifier.weight.grad.cpu()))
    assert found[1][0] == pytest.approx(found[0][0], rel=0.02)
    torch.testing.assert_close(found[1][1], found[0][1], rtol=0.1, atol=0.02)


def test_everything_that_is_drawn_is_drawn_by_the_seed() -> None:
    recipe = {"r_drop": {}, "dropout_samples": 2, "word_dropout": {"prob": 0.3}}
    asked = validate(CraftRecipe, recipe, where="the test")
    module = crafted(toy_learner(dropout=0.2), asked, tokenizer=TOKENIZER, seed=0, tell=lambda text: None)
    assert isinstance(module, torch.nn.Module)
    module.to("cuda").train()
    batch, losses = on_gpu(tensors(toy_features())), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        losses.append(mean_loss(module(batch)).item())
    assert losses[0] == losses[1] != losses[2]
