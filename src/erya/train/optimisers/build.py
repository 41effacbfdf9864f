"""The optimisers a recipe asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn
from torch.optim import AdamW

from erya.runtime import pick_dtype
from erya.train.optimisers.depth import rate_factors
from erya.train.optimisers.groups import Parameters, parameters_of
from erya.train.optimisers.lamb import Lamb
from erya.train.optimisers.members import Optimisers
from erya.train.optimisers.muon import Muon
from erya.train.optimisers.recipe import MuonRecipe
from erya.train.recipe import TrainRecipe


def build_optimiser(module: nn.Module, recipe: TrainRecipe) -> Optimisers:
    """The optimisers of `recipe` over the trainable parameters of `module`, on whatever device they are.

    Matrices decay; vectors (biases, norms) do not, embeddings as the recipe says. A parameter two names share
    is one parameter. Groups are split by learning rate where `layer_decay` makes rates differ.

    Raises:
        ConfigError: there are no layers for `layer_decay`.
    Source: Loshchilov & Hutter 2019, Decoupled Weight Decay Regularization; see `Muon` and `Lamb`.
    """
    found, kind = parameters_of(module), recipe.optimiser
    factors = rate_factors(module, decay=recipe.layer_decay)
    if isinstance(kind, MuonRecipe):
        muon = _muon(found, recipe, kind, factors, device=next(module.parameters()).device)
        adamw = _adamw(_groups([], found, recipe, factors), recipe)
        return Optimisers([member for member in (muon, adamw) if member is not None])
    matrices = [parameter for of in found.matrices.values() for parameter in of]
    groups = _groups(matrices, found, recipe, factors)
    if kind.kind == "lamb":
        return Optimisers([Lamb(groups, lr=recipe.learning_rate, betas=recipe.betas, eps=recipe.eps)])
    adamw = _adamw(groups, recipe)
    assert adamw is not None, "nothing to train"
    return Optimisers([adamw])


def _groups(
    matrices: Iterable[nn.Parameter], found: Parameters, recipe: TrainRecipe, factors: Mapping[int, float]
) -> list[dict[str, Any]]:
    """What decays and what does not, by learning rate."""
    decaying, steady = [*matrices, *found.others], list(found.vectors)
    (decaying if recipe.optimiser.decay_embeddings else steady).extend(found.embeddings)
    groups = [
        {"params": decaying, "weight_decay": recipe.weight_decay},
        {"params": steady, "weight_decay": 0.0},
    ]
    return _by_rate(groups, factors, recipe.learning_rate)


def _by_rate(groups: list[dict[str, Any]], factors: Mapping[int, float], rate: float) -> list[dict[str, Any]]:
    """Groups split by the learning rate of their parameters, none of them empty."""
    split = []
    for group in groups:
        members: dict[float, list[nn.Parameter]] = {}
        for parameter in group["params"]:
            members.setdefault(factors[id(parameter)], []).append(parameter)
        split += [group | {"params": of, "lr": rate * factor} for factor, of in members.items()]
    return split


def _adamw(groups: list[dict[str, Any]], recipe: TrainRecipe) -> AdamW | None:
    if not groups:
        return None
    return AdamW(groups, lr=recipe.learning_rate, betas=recipe.betas, eps=recipe.eps, fused=True)


def _muon(
    found: Parameters,
    recipe: TrainRecipe,
    kind: MuonRecipe,
    factors: Mapping[int, float],
    *,
    device: torch.device,
) -> Muon | None:
    if not found.matrices:
        return None
    own = kind.learning_rate
    rate = recipe.learning_rate if own is None else own
    groups = [{"params": params, "num_stacked": number} for number, params in sorted(found.matrices.items())]
    return Muon(
        _by_rate(groups, factors, rate),
        lr=rate,
        momentum=kind.momentum,
        weight_decay=recipe.weight_decay,
        match_adamw=own is None,
        dtype=pick_dtype(recipe.precision, device),
    )
