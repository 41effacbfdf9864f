"""The recipes that come with Erya: complete, and those of defaults really the defaults."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from erya.config import load_config
from erya.corpus.recipe import CorpusRecipe

RECIPES = Path(__file__).parents[3] / "recipes" / "corpus"


def test_there_are_recipes() -> None:
    assert (RECIPES / "web.yaml").is_file()


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.name)
def test_every_recipe_loads_and_names_every_option(path: Path) -> None:
    load_config(CorpusRecipe, path)
    written = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert _keys(written) == _keys(CorpusRecipe().model_dump()), "an option without its comment is not found"


def test_the_recipe_for_the_web_is_the_defaults() -> None:
    assert load_config(CorpusRecipe, RECIPES / "web.yaml") == CorpusRecipe()


def test_what_its_comments_give_as_examples_is_allowed() -> None:
    changes = [
        "convert=[{name: t2s, share: 1.0}, {name: s2t, share: 0.2}]",
        "segmenter.user_words=[{text: 尔雅, frequency: 100, tag: nz}]",
        "filters.mask=[phone, email, identity]",
    ]
    recipe = load_config(CorpusRecipe, RECIPES / "web.yaml", changes)
    assert [(step.name, step.share) for step in recipe.convert] == [("t2s", 1.0), ("s2t", 0.2)]
    assert recipe.segmenter.user_words[0].text == "尔雅" and len(recipe.filters.mask) == 3


def _keys(tree: dict[str, object], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for key, value in tree.items():
        found |= _keys(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key}
    return found
