"""The recipes that come with the project."""

from pathlib import Path

import pytest
import torch
import yaml

from erya.checkpoints.huggingface import require_saveable
from erya.config import dump_yaml, load_config
from erya.errors import ConfigError
from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
from erya.pretrain.recipe import PretrainRecipe
from erya.pretrain.sizes import SIZES
from erya.pretrain.start import main_tasks

RECIPES = Path(__file__).parents[3] / "recipes" / "pretrain"
NAMES = ["bert-original", "domain", "electra", "wwm", "zh-modern"]
FRESH = [name for name in NAMES if name != "domain"]


def config_of(recipe: PretrainRecipe) -> EncoderConfig:
    assert recipe.model is not None
    return EncoderConfig.model_validate(recipe.model.model_dump() | {"vocab_size": 128, "pad_id": 0})


def test_these_are_all() -> None:
    assert sorted(path.stem for path in RECIPES.iterdir()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_survives_being_written(name: str, tmp_path: Path) -> None:
    recipe = load_config(PretrainRecipe, RECIPES / f"{name}.yaml")
    written = tmp_path / "recipe.yaml"
    written.write_text(dump_yaml(recipe))
    assert load_config(PretrainRecipe, written) == recipe


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", FRESH)
def test_every_size_builds_a_model_that_can_be_saved(name: str, size: str) -> None:
    recipe = load_config(PretrainRecipe, RECIPES / f"{name}.yaml", [f"size={size}"])
    config = config_of(recipe)
    with torch.device("meta"):
        encoder = Encoder(config, pooler=False)
    assert (len(encoder.blocks), config.hidden_size) == (SIZES[size].num_layers, SIZES[size].hidden_size)
    require_saveable(config, main_tasks(recipe, config), unused=("pooler",), where="model")


@pytest.mark.parametrize("name", FRESH)
def test_a_recipe_can_go_on_from_a_model(name: str) -> None:
    more = ["size=null", "model=null", "init_from=model"]
    assert load_config(PretrainRecipe, RECIPES / f"{name}.yaml", more).init_from == "model"
    with pytest.raises(ConfigError, match="size=null"):
        load_config(PretrainRecipe, RECIPES / f"{name}.yaml", more[1:])


@pytest.mark.parametrize("name", NAMES)
def test_overrides_in_a_head_comment_are_keys(name: str) -> None:
    """What a reader is told to type must be accepted."""
    path = RECIPES / f"{name}.yaml"
    head = path.read_text(encoding="utf-8").split("\ndata:")[0].replace(" \\\n#", "")
    commands = [line for line in head.splitlines() if line.startswith("#   ") and "=" in line]
    assert commands
    for command in commands:
        said = [part for part in command.split() if "=" in part and part.split("=")[0].islower()]
        load_config(PretrainRecipe, path, said)


@pytest.mark.parametrize("name", NAMES)
def test_a_key_is_explained_once(name: str) -> None:
    text = (RECIPES / f"{name}.yaml").read_text(encoding="utf-8")
    assert set(yaml.safe_load(text)) <= set(PretrainRecipe.model_fields)
    comments = [line.split("  # ", 1)[1] for line in text.splitlines() if "  # " in line]
    assert len(comments) == len(set(comments)) and len(comments) > 15
