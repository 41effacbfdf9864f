"""A run whose weights are averaged, seen from outside."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from test_loop import Stop
from toy_model import ToyRecipe, ToyTrainable, toy_recipe, toy_run

from erya.config import validate
from erya.errors import ConfigError
from erya.train.identity import identity_of, require_same
from erya.train.recipe import MovingMeanRecipe

RECIPE = toy_recipe(average={"decay": 0.8}, eval_every_steps=4)


def expected_means(directory: Path) -> list[torch.Tensor]:
    """The mean after each step, from the weights themselves, which a run without averages goes through."""
    trainable, weights = ToyTrainable(), []

    class Keep(Stop):
        def on_step(self, report) -> None:  # type: ignore[no-untyped-def]
            weights.append(trainable.module.words.weight.detach().clone())

    mean = trainable.module.words.weight.detach().clone()
    toy_run(directory, trainable, callbacks=[Keep(0)])
    means = []
    for number, weight in enumerate(weights, start=1):
        mean = mean.lerp(weight, 1 - min(0.8, (1 + number) / (10 + number)))
        means.append(mean)
    return means


def test_the_mean_is_evaluated_and_kept_and_training_does_not_see_it(tmp_path: Path) -> None:
    means = expected_means(tmp_path / "plain")
    trainable, seen = ToyTrainable(), []

    def evaluate() -> Mapping[str, float]:
        seen.append(trainable.module.words.weight.detach().clone())
        return {"eval_loss": 1.0}

    toy_run(tmp_path / "mean", trainable, recipe=RECIPE, evaluate=evaluate)
    for found, step in zip(seen, (4, 8, 12, 16, 20), strict=True):
        torch.testing.assert_close(found, means[step - 1])
    torch.testing.assert_close(trainable.module.words.weight.detach(), means[-1])


def test_a_mean_is_resumed_to_the_last_bit(tmp_path: Path) -> None:
    whole, cut = ToyTrainable(), ToyTrainable()
    toy_run(tmp_path / "whole", whole, recipe=RECIPE)
    with pytest.raises(RuntimeError, match="power cut"):
        toy_run(tmp_path / "cut", callbacks=[Stop(13)], recipe=RECIPE)
    toy_run(tmp_path / "cut", cut, recipe=RECIPE)
    assert torch.equal(whole.module.words.weight, cut.module.words.weight)


def test_the_best_checkpoint_has_the_mean_that_was_the_best(tmp_path: Path) -> None:
    means = expected_means(tmp_path / "plain")
    trainable, scores = ToyTrainable(), iter([3.0, 1.0, 2.0, 4.0, 5.0])
    recipe = toy_recipe(average={"decay": 0.8}, eval_every_steps=4, monitor={"key": "eval_loss"})
    toy_run(tmp_path / "mean", trainable, recipe=recipe, evaluate=lambda: {"eval_loss": next(scores)})
    torch.testing.assert_close(trainable.module.words.weight.detach(), means[8 - 1])


def test_an_equal_mean_over_the_end_is_kept(tmp_path: Path) -> None:
    trainable, plain, weights = ToyTrainable(), ToyTrainable(), []

    class Keep(Stop):
        def on_step(self, report) -> None:  # type: ignore[no-untyped-def]
            weights.append(plain.module.words.weight.detach().clone())

    toy_run(tmp_path / "plain", plain, callbacks=[Keep(0)])
    toy_run(tmp_path / "mean", trainable, recipe=toy_recipe(average={"kind": "swa", "start_ratio": 0.6}))
    torch.testing.assert_close(trainable.module.words.weight.detach(), torch.stack(weights[12:]).mean(dim=0))


@pytest.mark.parametrize("step", [7, 16])
def test_an_equal_mean_is_resumed_to_the_last_bit(tmp_path: Path, step: int) -> None:
    recipe = toy_recipe(average={"kind": "swa", "start_ratio": 0.6}, eval_every_steps=4)
    whole, cut = ToyTrainable(), ToyTrainable()
    toy_run(tmp_path / "whole", whole, recipe=recipe)
    with pytest.raises(RuntimeError, match="power cut"):
        toy_run(tmp_path / "cut", callbacks=[Stop(step)], recipe=recipe)
    toy_run(tmp_path / "cut", cut, recipe=recipe)
    assert torch.equal(whole.module.words.weight, cut.module.words.weight)


def test_a_mean_is_of_one_kind() -> None:
    assert toy_recipe(average={"decay": 0.9}).train.average == MovingMeanRecipe(decay=0.9)
    with pytest.raises(ConfigError, match=r"unknown key 'train\.average\.decay'"):
        validate(
            ToyRecipe,
            {
                "train": {
                    "steps": 1,
                    "batch_tokens": 1,
                    "learning_rate": 1.0,
                    "average": {"kind": "swa", "decay": 0.9},
                }
            },
            where="test",
        )


def test_a_run_from_before_there_were_two_kinds_goes_on(tmp_path: Path) -> None:
    now = identity_of(toy_recipe(average={"decay": 0.9}), {})
    former = {
        **now,
        "recipe": {**now["recipe"], "train": {**now["recipe"]["train"], "average": {"decay": 0.9}}},
    }
    require_same(former, now, where="here")
    other = identity_of(toy_recipe(average={"kind": "swa"}), {})
    with pytest.raises(ConfigError, match="another one"):
        require_same(former, other, where="here")
