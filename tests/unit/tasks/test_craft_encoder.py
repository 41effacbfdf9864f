"""Parts of an encoder that are not trained, corrected by low ranks, or asked once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from craft_learner import TOKENIZER, ToyLearner, gradients, mean_loss, tensors, toy_features, toy_learner

from erya.config import validate
from erya.data.features import Features
from erya.errors import ConfigError, StorageError
from erya.models.encoder import Encoder
from erya.models.heads.tokens import TokenClassifier
from erya.tasks.craft.applying import crafted, made_plain
from erya.tasks.craft.cached import StatesCache
from erya.tasks.craft.lora import CorrectedLinear
from erya.tasks.craft.recipe import CraftRecipe
from erya.train.optimisers.build import build_optimiser
from erya.train.recipe import TrainRecipe

BATCH = tensors(toy_features())
MODERN = {"positions": {"kind": "rotary"}, "gated": True, "pre_norm": True, "norm_bias": False}


def craft(learner: ToyLearner, tell: list[str] | None = None, **recipe: object) -> torch.nn.Module:
    module = crafted(
        learner,
        validate(CraftRecipe, recipe, where="the test"),
        tokenizer=TOKENIZER,
        seed=0,
        tell=(tell if tell is not None else []).append,
    )
    assert isinstance(module, torch.nn.Module)
    return module.train()


def trained(module: torch.nn.Module) -> set[str]:
    return {name for name, p in module.named_parameters() if p.requires_grad}


def with_gradient(module: torch.nn.Module) -> set[str]:
    return set(gradients(module, mean_loss(module(BATCH))))


def adamw(module: torch.nn.Module) -> object:
    recipe = TrainRecipe(steps=1, batch_tokens=1, learning_rate=0.05)
    optimiser = build_optimiser(module, recipe)
    mean_loss(module(BATCH)).backward()
    optimiser.step()
    return optimiser


def test_frozen_layers_have_neither_gradient_nor_running_means() -> None:
    learner = toy_learner()
    module = craft(learner, freeze={"embeddings": True, "layers": 1})
    names = with_gradient(module)
    frozen = ("learner.network.encoder.embeddings.", "learner.network.encoder.blocks.0.")
    everything = {name for name, _ in module.named_parameters()}
    assert names == {name for name in everything if not name.startswith(frozen)}
    assert any("blocks.1" in name for name in names) and len(names) < len(everything)
    before = {name: p.clone() for name, p in module.named_parameters()}
    (member,) = adamw(module).members
    changed = {name for name, p in module.named_parameters() if not torch.equal(before[name], p)}
    assert changed <= names and "learner.network.encoder.blocks.1.attention.qkv.weight" in changed
    assert len(member.state) == len(names)


@pytest.mark.parametrize("config", [{}, MODERN, {"convolution": 3, "embedding_size": 8}])
def test_all_of_an_encoder_but_its_pooler_is_frozen(config: dict[str, object]) -> None:
    told: list[str] = []
    module = craft(toy_learner(**config), told, freeze="all")
    heads = ("learner.network.encoder.pooler.", "learner.network.classifier.")
    assert trained(module) == {name for name, _ in module.named_parameters() if name.startswith(heads)}
    assert with_gradient(module) == trained(module)
    assert "numbers are trained" in told[0] and told[0].startswith("323 of ")


@pytest.mark.parametrize(
    ("config", "layers", "says"),
    [({}, 3, "has 2 layers"), ({"num_layers": 4, "num_groups": 2}, 1, "share their weights")],
)
def test_layers_that_cannot_be_frozen(config: dict[str, object], layers: int, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        craft(toy_learner(**config), freeze={"layers": layers})


ALL_TARGETS = ("qkv", "output", "feedforward")


@pytest.mark.parametrize("config", [{}, MODERN, {"attention_bias": False}])
def test_corrections_change_nothing_at_first_and_merge_to_what_they_computed(
    config: dict[str, object],
) -> None:
    learner = toy_learner(**config)
    with torch.no_grad():
        begin = learner.logits(BATCH)
    names = set(learner.state_dict())
    module = craft(learner, lora={"rank": 3, "alpha": 5.0, "targets": ALL_TARGETS})
    with torch.no_grad():
        torch.testing.assert_close(module.logits(BATCH), begin, rtol=0, atol=0)
    corrections = [layer for layer in module.modules() if isinstance(layer, CorrectedLinear)]
    assert len(corrections) == 2 * 4
    heads = ("pooler.", "classifier.", ".down", ".up")
    assert all(any(part in name for part in heads) for name in trained(module))
    assert with_gradient(module) == trained(module)
    for _ in range(3):
        adamw(module)
    with torch.no_grad():
        learnt = module.logits(BATCH)
        assert not torch.allclose(learnt, begin, atol=1e-2)
        made_plain(learner.network)
        torch.testing.assert_close(learner.logits(BATCH), learnt, rtol=1e-5, atol=1e-5)
    assert set(learner.state_dict()) == names
    assert not any(isinstance(layer, CorrectedLinear) for layer in learner.modules())


def test_corrections_of_queries_keys_and_values_are_apart() -> None:
    learner = toy_learner()
    layer = learner.network.encoder.blocks[0].attention.qkv
    weight = layer.weight.detach().clone()
    craft(learner, lora={"rank": 2, "alpha": 6.0, "targets": ["qkv"]})
    corrected = learner.network.encoder.blocks[0].attention.qkv
    assert isinstance(corrected, CorrectedLinear)
    torch.nn.init.normal_(corrected.up, generator=torch.Generator().manual_seed(1))
    x = torch.randn(5, 16, generator=torch.Generator().manual_seed(2))
    parts = []
    for part in range(3):
        change = 3.0 * corrected.up[part] @ corrected.down[part]
        assert torch.linalg.matrix_rank(change) == 2
        parts.append(weight[16 * part : 16 * (part + 1)] + change)
    torch.testing.assert_close(corrected(x), x @ torch.cat(parts).T + layer.bias)
    merged = corrected.merged()
    torch.testing.assert_close(merged.weight, torch.cat(parts))
    assert merged.num_stacked == 3


def test_dropout_of_corrections_leaves_the_matrix_alone() -> None:
    learner = toy_learner()
    craft(learner, lora={"rank": 2, "dropout_prob": 0.5})
    layer = learner.network.encoder.blocks[0].attention.qkv
    x = torch.ones(4, 16)
    torch.testing.assert_close(layer(x), torch.nn.functional.linear(x, layer.weight, layer.bias))
    torch.nn.init.normal_(layer.up)
    assert not torch.allclose(layer(x), layer(x))
    layer.eval()
    assert torch.equal(layer(x), layer(x))


def test_the_share_of_trained_numbers_is_told() -> None:
    told: list[str] = []
    learner = toy_learner()
    craft(learner, told, lora={"rank": 2, "targets": ["output"]})
    head = 16 * 16 + 16 + 16 * 3 + 3
    assert told[0].startswith(f"{head + 2 * (2 * 16 + 2 * 16):,} of ")


@pytest.mark.parametrize(
    ("config", "recipe", "says"),
    [
        ({"positions": {"kind": "disentangled"}}, {"rank": 2}, "projects distances"),
        ({}, {"rank": 16}, "no low rank"),
    ],
)
def test_corrections_that_cannot_be(config: dict[str, object], recipe: dict[str, int], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        craft(toy_learner(**config), lora=recipe)


def cache_of(
    learner: ToyLearner, folder: object, number_format: str = "float32", **more: object
) -> StatesCache:
    return StatesCache(
        folder, learner, number_format=number_format, precision="float32", batch_tokens=16, **more
    )


def runs_of(encoder: Encoder) -> list[int]:
    runs: list[int] = []
    encoder.embeddings.register_forward_hook(lambda *_: runs.append(1))
    return runs


def train_for(module: torch.nn.Module, features: list[Features], *, steps: int) -> list[float]:
    optimiser = torch.optim.AdamW([p for p in module.parameters() if p.requires_grad], lr=0.02)
    losses = []
    for step in range(steps):
        loss = mean_loss(module(tensors(features[2 * (step % 3) : 2 * (step % 3) + 2])))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("pooling", ["first", "mean"])
def test_cached_and_uncached_training_agree(tmp_path: object, pooling: str) -> None:
    features = toy_features((5, 9, 4, 7, 12, 3))
    config = {"pooler": {"pooling": pooling}}
    losses = []
    for cached in (False, True):
        learner = toy_learner(**config)
        module = craft(learner, freeze="all", **({"cached_states": "float32"} if cached else {}))
        given = cache_of(learner, tmp_path).with_states(features) if cached else features
        runs = runs_of(learner.network.encoder)
        losses.append(train_for(module, given, steps=9))
        assert bool(runs) != cached
        with torch.no_grad():
            scored = module.eval().logits(tensors(given))
            torch.testing.assert_close(scored, learner.logits(tensors(features)), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
    assert losses[0][-1] < losses[0][0]
    (path,) = tmp_path.iterdir()
    rows = 6 if pooling == "first" else sum(len(item.ids) for item in features)
    assert path.stat().st_size == rows * 16 * 4


class Tagger(ToyLearner):
    """Looks at all tokens, perhaps of all blocks."""

    def __init__(self, encoder: Encoder, *, all_blocks: bool) -> None:
        torch.nn.Module.__init__(self)
        self.network = TokenClassifier(encoder, 3)
        self._all_blocks = all_blocks

    def logits(self, batch):
        if self._all_blocks:
            return self.network.encoder(batch, keep_all_hidden=True).all_hidden[0]
        return self.network(batch)


def test_states_are_computed_once_without_dropout_in_half_the_bytes(tmp_path: object) -> None:
    features = toy_features((5, 9, 4))
    learner = toy_learner(dropout=0.5)
    encoder = learner.network.encoder
    tagger = Tagger(encoder, all_blocks=False)
    runs = runs_of(encoder)
    given = cache_of(tagger, tmp_path, "float16").with_states(features)
    num_runs = len(runs)
    assert num_runs == 2 and encoder.training  # batches of 16 tokens
    again = cache_of(tagger, tmp_path, "float16").with_states(features)
    assert len(runs) == num_runs
    states = [item.row_targets["encoder_states"] for item in given]
    assert [len(rows) for rows in states] == [5, 9, 4] and states[0].dtype == np.float16
    encoder.eval()
    with torch.no_grad():
        expected = encoder(tensors(features)).hidden
    np.testing.assert_allclose(np.concatenate(states), expected, atol=2e-3)
    assert all(np.array_equal(a.row_targets["encoder_states"], b) for a, b in zip(again, states, strict=True))
    # Other weights, other texts: other files.
    with torch.no_grad():
        encoder.blocks[0].attention.output.bias += 1.0
    cache_of(tagger, tmp_path, "float16").with_states(features)
    cache_of(tagger, tmp_path, "float16").with_states(toy_features((5, 9, 4), seed=1))
    assert len(list(tmp_path.iterdir())) == 3


def test_a_head_on_all_blocks_cannot_be_cached(tmp_path: object) -> None:
    tagger = Tagger(toy_learner().network.encoder, all_blocks=True)
    with pytest.raises(ConfigError, match="looks into all blocks"):
        cache_of(tagger, tmp_path).with_states(toy_features())


def test_a_disk_that_refuses_is_said(tmp_path: object) -> None:
    (tmp_path / "states").write_text("a file")
    with pytest.raises(StorageError, match="states"):
        cache_of(toy_learner(), tmp_path / "states").with_states(toy_features())
