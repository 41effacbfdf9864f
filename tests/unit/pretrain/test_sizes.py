from pathlib import Path
from typing import Any, get_args

import pytest

from erya.config import dump_yaml, load_config
from erya.errors import ConfigError
from erya.pretrain.recipe import PretrainRecipe
from erya.pretrain.sizes import SIZES, SizeName, sized


def written(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "data: {shards: shards}\nsize: mini\ntrain: {steps: 1, batch_tokens: 64, learning_rate: 0.1}\n"
    )
    return path


def sizes_of(recipe: PretrainRecipe) -> tuple[int, int, int, int]:
    model = recipe.model
    assert model is not None
    return model.num_layers, model.hidden_size, model.num_heads, model.intermediate_size


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ([], (4, 256, 4, 1024)),
        (["size=large"], (24, 1024, 16, 4096)),
        (["size=tiny", "model.gated=true"], (2, 128, 2, 320)),
        (["size=base", "model.gated=true"], (12, 768, 12, 2048)),
        (["model.num_layers=3"], (3, 256, 4, 1024)),
        (["model.hidden_size=320"], (4, 320, 5, 1280)),
        (["model.hidden_size=16", "model.num_heads=2"], (4, 16, 2, 64)),
    ],
)
def test_a_size_fills_in_what_the_recipe_does_not_give(
    tmp_path: Path, override: list[str], expected: tuple[int, ...]
) -> None:
    assert sizes_of(load_config(PretrainRecipe, written(tmp_path), override)) == expected


def test_all_sizes_have_a_name() -> None:
    assert get_args(SizeName) == tuple(SIZES)


def test_a_recipe_that_was_read_gives_all_numbers(tmp_path: Path) -> None:
    recipe = load_config(PretrainRecipe, written(tmp_path))
    assert recipe.size is None
    again = tmp_path / "again.yaml"
    again.write_text(dump_yaml(recipe))
    assert load_config(PretrainRecipe, again) == recipe


def test_gated_layers_have_about_as_many_parameters() -> None:
    for size in SIZES:
        plain, gated = sized({}, size), sized({"gated": True}, size)
        assert 3 * gated["intermediate_size"] == pytest.approx(2 * plain["intermediate_size"], rel=0.07)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (["size=huge"], "size"),
        (["size=[1]"], "size"),
        (["model=null", "init_from=model"], "size=null where init_from"),
        (["init_from=model"], "size=null where init_from"),
        (["model.hidden_size=wide"], "model.hidden_size: give a whole number"),
        (["model.hidden_size=null"], "model.hidden_size: give a whole number"),
    ],
)
def test_a_size_that_cannot_be_is_refused(tmp_path: Path, override: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_config(PretrainRecipe, written(tmp_path), override)


def test_a_size_that_changes_nothing_is_refused() -> None:
    full: dict[str, Any] = {"hidden_size": 8, "num_layers": 1, "num_heads": 1, "intermediate_size": 8}
    with pytest.raises(ValueError, match="size=base changes nothing"):
        sized(full, "base")
