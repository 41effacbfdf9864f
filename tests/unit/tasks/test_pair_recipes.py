"""The recipes of matching and of sentence vectors that we ship."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from erya.config import load_config
from erya.tasks.embed.recipe import EmbedRecipe
from erya.tasks.match.recipe import MatchRecipe

RECIPES = Path(__file__).parents[3] / "recipes" / "finetune"


@pytest.mark.parametrize(("name", "kind"), [("match", MatchRecipe), ("embed", EmbedRecipe)])
def test_a_recipe_names_every_key_with_its_default(name, kind):
    written = yaml.safe_load((RECIPES / f"{name}.yaml").read_text(encoding="utf-8"))
    shipped = load_config(kind, RECIPES / f"{name}.yaml")
    files = [f"{key}={written[key]}" for key in ("model", "train_file", "dev_file")]
    assert shipped == load_config(kind, None, files)
    assert written == shipped.model_dump(mode="json")
