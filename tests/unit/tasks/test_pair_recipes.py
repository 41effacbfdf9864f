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
    written["train"]["monitor"] |= {"key": shipped.train.monitor.key}  # follows from the objective
    assert written == shipped.model_dump(mode="json")


@pytest.mark.parametrize(
    ("name", "kind", "override", "key"),
    [
        ("match", MatchRecipe, "ranked=true", "eval_accuracy"),
        ("match", MatchRecipe, "objective=regress", "eval_spearman"),
        ("embed", EmbedRecipe, "objective=simcse", "eval_spearman"),
        ("embed", EmbedRecipe, "objective=in_batch", "eval_mrr@10"),
    ],
)
def test_another_objective_is_watched_by_its_own_score(name, kind, override, key):
    assert load_config(kind, RECIPES / f"{name}.yaml", [override]).train.monitor.key == key
