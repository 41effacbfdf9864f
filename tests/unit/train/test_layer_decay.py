"""Learning rates that are less the deeper a layer stands."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from toy_model import toy_recipe

from erya.errors import ConfigError
from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
from erya.models.heads.sequence import SequenceClassifier
from erya.train.optimisers.build import build_optimiser
from erya.train.optimisers.members import Optimisers

KINDS = ["adamw", "muon", "lamb"]


def network(**config: object) -> nn.Module:
    torch.manual_seed(0)
    sizes = {"vocab_size": 20, "hidden_size": 8, "num_layers": 3, "num_heads": 2, "intermediate_size": 16}
    model = SequenceClassifier(Encoder(EncoderConfig.model_validate(sizes | config)), 2)
    return nn.ModuleDict({"learner": model})  # names have something in front, as in training


def optimiser(module: nn.Module, kind: str, **changes: object) -> Optimisers:
    recipe = toy_recipe(optimiser={"kind": kind}, learning_rate=0.5, weight_decay=0.1, **changes).train
    return build_optimiser(module, recipe)


def rates(module: nn.Module, built: Optimisers) -> dict[str, float]:
    by_id = {id(p): group["lr"] for group in built.param_groups for p in group["params"]}
    assert len(by_id) == sum(len(group["params"]) for group in built.param_groups)
    return {name: by_id[id(p)] for name, p in module.named_parameters()}


@pytest.mark.parametrize("kind", KINDS)
def test_rates_are_those_of_the_definition(kind: str) -> None:
    module = network(convolution=3)
    found = rates(module, optimiser(module, kind, layer_decay=0.8))
    layers = {"embeddings": 0, "blocks.0": 1, "convolution": 1, "blocks.1": 2, "blocks.2": 3, "pooler": 4}
    for name, rate in found.items():
        inner = name.removeprefix("learner.").removeprefix("encoder.")
        layer = next((at for part, at in layers.items() if inner.startswith(f"{part}.")), 4)
        assert rate == pytest.approx(0.5 * 0.8 ** (4 - layer)), name
    assert found["learner.classifier.weight"] == 0.5
    assert len(set(found.values())) == 5


def test_embeddings_of_distances_are_at_the_bottom_and_shared_blocks_count_once() -> None:
    module = network(positions={"kind": "disentangled"})
    found = rates(module, optimiser(module, "adamw", layer_decay=0.5))
    assert found["learner.encoder.distances.embeddings.weight"] == pytest.approx(0.5 * 0.5**4)
    module = network(num_groups=1)
    found = rates(module, optimiser(module, "adamw", layer_decay=0.5))
    assert found["learner.encoder.blocks.0.attention.qkv.weight"] == pytest.approx(0.5 * 0.5)
    assert found["learner.encoder.embeddings.words.weight"] == pytest.approx(0.5 * 0.25)


def test_encoders_of_several_depths_are_told_apart() -> None:
    module = nn.ModuleDict({"a": network(num_layers=2), "b": network()})
    found = rates(module, optimiser(module, "adamw", layer_decay=0.5))
    assert found["a.learner.encoder.embeddings.words.weight"] == pytest.approx(0.5 * 0.5**3)
    assert found["b.learner.encoder.embeddings.words.weight"] == pytest.approx(0.5 * 0.5**4)


@pytest.mark.parametrize("kind", KINDS)
def test_weight_decay_and_other_groups_stay(kind: str) -> None:
    module = network()
    plain, decayed = optimiser(module, kind), optimiser(module, kind, layer_decay=0.8)

    def decay(built: Optimisers) -> dict[int, tuple[float, int | None]]:
        return {
            id(p): (group["weight_decay"], group.get("num_stacked"))
            for group in built.param_groups
            for p in group["params"]
        }

    assert decay(plain) == decay(decayed)
    assert len(plain.param_groups) == (4 if kind == "muon" else 2)
    assert {group["lr"] for group in plain.param_groups} == {0.5}


def test_a_schedule_scales_every_rate() -> None:
    module = network()
    built = optimiser(module, "adamw", layer_decay=0.8)
    full = rates(module, built)
    built.set_rate(0.25)
    assert rates(module, built) == pytest.approx({name: rate / 4 for name, rate in full.items()})


def test_a_step_is_that_of_as_many_optimisers() -> None:
    module = network()
    apart = copy.deepcopy(module)
    built = optimiser(module, "adamw", layer_decay=0.7)
    wanted = rates(module, built)
    members = [
        torch.optim.AdamW(
            [p], lr=wanted[name], weight_decay=0.1 if p.ndim > 1 else 0.0, betas=(0.9, 0.98), eps=1e-6
        )
        for name, p in apart.named_parameters()
    ]
    for step in range(2):
        for one, other in zip(module.parameters(), apart.parameters(), strict=True):
            one.grad = torch.full_like(one, 0.1 * (step + 1))
            other.grad = one.grad.clone()
        built.step()
        for member in members:
            member.step()
    for (name, one), other in zip(module.named_parameters(), apart.parameters(), strict=True):
        torch.testing.assert_close(one, other, msg=name)


def test_a_model_without_layers_is_refused() -> None:
    with pytest.raises(ConfigError, match="no encoder with blocks"):
        optimiser(nn.Linear(3, 3), "adamw", layer_decay=0.9)
    optimiser(nn.Linear(3, 3), "adamw")
