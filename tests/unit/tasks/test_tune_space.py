"""What a search space may say, and what recipes come of it."""

from pathlib import Path

import pytest

from erya.config import read_config, validate
from erya.errors import ConfigError
from erya.tasks.classify.recipe import ClassifyRecipe
from erya.tasks.table import KINDS
from erya.tasks.tune.space import (
    DEFAULT_SPACES,
    Choice,
    RangeRecipe,
    parse_space,
    require_possible,
    space_as_json,
    usual_space,
    values_of,
    with_values,
)
from erya.tasks.usual_rate import with_usual_rate

RECIPES = Path(__file__).parents[3] / "recipes"


def test_keys_may_be_dotted_or_nested() -> None:
    space = parse_space(
        {
            "train.learning_rate": {"low": 1e-5, "high": 1e-3, "log": True},
            "train": {"epochs": {"low": 2, "high": 6, "step": 2}, "average": [None, {"decay": 0.9}]},
            "batch_size": [16, 32],
        },
        where="here",
    )
    assert space == {
        "train.learning_rate": RangeRecipe(low=1e-5, high=1e-3, log=True),
        "train.epochs": RangeRecipe(low=2, high=6, step=2),
        "train.average": Choice((None, {"decay": 0.9})),
        "batch_size": Choice((16, 32)),
    }
    assert parse_space(space_as_json(space), where="again") == space


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ([16], "a list of two values or more"),
        ([16, 16], "all different"),
        (16, "not 16"),
        ({"low": 2.0, "high": 1.0}, "must be less than high"),
        ({"low": 0.0, "high": 1.0, "log": True}, "log needs a low above 0"),
        ({"low": 0.1, "high": 1.0, "log": True, "step": 0.1}, "do not go together"),
        ({"low": 1, "high": 9, "step": 0.5}, "whole numbers want a whole step"),
        ({"low": 1, "hihg": 9}, "unknown key 'hihg'"),
    ],
)
def test_what_cannot_be_searched_is_refused(entry, said) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_space({"batch_size": entry}, where="here")


def test_an_empty_space_is_refused() -> None:
    for given in (None, {}, [1]):
        with pytest.raises(ConfigError, match="give recipe keys"):
            parse_space(given, where="here")


def test_values_reach_the_recipe(classify_recipe) -> None:
    values = {"batch_size": 8, "train.learning_rate": 2e-4, "train.average": {"decay": 0.9}}
    recipe = with_values(classify_recipe(), values, where="here")
    assert (recipe.batch_size, recipe.train.learning_rate, recipe.train.average.decay) == (8, 2e-4, 0.9)
    assert recipe.train.epochs == 6  # what was not named stays


def test_every_bound_is_checked_before_anything_is_tried(classify_recipe) -> None:
    with pytest.raises(ConfigError, match=r"unknown key 'train.learning_rat'") as caught:
        require_possible(classify_recipe(), {"train.learning_rat": RangeRecipe(low=1e-5, high=1e-3)})
    assert "learning_rate" in str(caught.value)
    with pytest.raises(ConfigError, match="greater than or equal to 1"):
        require_possible(classify_recipe(), {"batch_size": RangeRecipe(low=0, high=8)})


def test_a_recipes_own_values_are_found_where_they_lie_inside(classify_recipe) -> None:
    space = {"batch_size": Choice((8, 16)), "train.learning_rate": RangeRecipe(low=1e-5, high=1e-2, log=True)}
    assert values_of(classify_recipe(), space) == {"batch_size": 16, "train.learning_rate": 5e-3}
    assert values_of(classify_recipe(batch_size=9), space) is None
    assert values_of(classify_recipe(), {"train.average": Choice((None, {"decay": 0.9}))}) == {
        "train.average": None
    }
    assert not RangeRecipe(low=1, high=5).contains(2.5) and not RangeRecipe(low=0, high=1).contains(True)


def test_there_is_a_default_space_for_every_kind(classify_recipe) -> None:
    assert DEFAULT_SPACES.keys() >= KINDS.keys()
    require_possible(classify_recipe(), DEFAULT_SPACES["classify"])


@pytest.mark.parametrize(
    ("changes", "key", "entry"),
    [
        ({}, "classifier_dropout_prob", Choice((None, 0.0, 0.1, 0.2, 0.4))),
        ({"batch_size": 9}, "batch_size", Choice((16, 32, 64, 9))),
        (
            {"train": {"learning_rate": 2e-3}},
            "train.learning_rate",
            RangeRecipe(low=1e-5, high=2e-3, log=True),
        ),
        (
            {"train": {"learning_rate": 2e-6}},
            "train.learning_rate",
            RangeRecipe(low=2e-6, high=1e-3, log=True),
        ),
        ({"train": {"epochs": None, "steps": 9}}, "train.epochs", Choice((2, 3, 5, None))),
    ],
)
def test_the_usual_space_holds_the_recipe(classify_recipe, changes, key, entry) -> None:
    recipe = classify_recipe(**changes)
    space = usual_space(recipe)
    assert space[key] == entry and space.keys() == DEFAULT_SPACES["classify"].keys()
    assert (values_of(recipe, space) or {}).keys() == space.keys()
    require_possible(recipe, space)


def test_the_recipe_we_ship_can_be_searched() -> None:
    data, where = read_config(RECIPES / "tune/classify.yaml")
    space = parse_space(data.pop("space"), where=where)
    recipe = validate(ClassifyRecipe, data, where=where)
    require_possible(recipe, space)
    usual = with_usual_rate(recipe, tell=lambda text: None)
    assert len(space) == 6 and values_of(usual, space) is not None
