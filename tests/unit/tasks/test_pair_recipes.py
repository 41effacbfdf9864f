"""The recipes of matching and of sentence vectors that we ship."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from erya.config import load_config
from erya.errors import ConfigError
from erya.tasks.embed.recipe import EmbedRecipe
from erya.tasks.match.recipe import MatchRecipe
from erya.tasks.table import KINDS

RECIPES = Path(__file__).parents[3] / "recipes" / "finetune"


@pytest.mark.parametrize(("name", "kind"), [("match", MatchRecipe), ("embed", EmbedRecipe)])
def test_a_recipe_names_every_key_with_its_default(name, kind):
    written = yaml.safe_load((RECIPES / f"{name}.yaml").read_text(encoding="utf-8"))
    shipped = load_config(kind, RECIPES / f"{name}.yaml")
    files = [f"{key}={written[key]}" for key in ("model", "train_file", "dev_file")]
    assert shipped == load_config(kind, None, files)
    written["train"] |= {"learning_rate": shipped.train.learning_rate}  # follows from the model
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


@pytest.mark.parametrize(
    ("kind", "overrides", "columns"),
    [
        ("classify", ["text=2", "label=1"], {"text": "2", "label": "1"}),
        (
            "classify",
            ["text=2", "pair=4", "label=[1,3]"],
            {"text": "2", "pair": "4", "label:1": "1", "label:3": "3"},
        ),
        ("match", ["text=1", "pair=2", "label=3"], {"text": "1", "pair": "2", "label": "3"}),
        ("embed", ["text=1", "score=3"], {"text": "1", "score": "3"}),
        ("tag", ["text=1", "entities=2"], {"text": "1", "entities": "2"}),
        ("answer", ["question=1", "context=2"], {"question": "1", "context": "2"}),
    ],
)
def test_numbers_of_columns_need_no_quotes(kind, overrides, columns):
    recipe = load_config(KINDS[kind].recipe, None, ["model=m", "train_file=a", "dev_file=b", *overrides])
    assert columns.items() <= dict(recipe.columns).items()


@pytest.mark.parametrize(
    ("override", "said"), [("text=true", "text: Input"), ("label=1.5", "label.str: Input")]
)
def test_what_is_no_name_of_a_column_is_refused(override, said):
    with pytest.raises(ConfigError, match=f"{said} should be a valid string"):
        load_config(KINDS["classify"].recipe, None, ["model=m", "train_file=a", "dev_file=b", override])
