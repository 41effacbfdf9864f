"""The learning rate of a recipe that says none."""

import pytest

pytest.importorskip("torch")

from erya.config import dump_yaml, load_config
from erya.errors import CheckpointError
from erya.tasks.classify.recipe import ClassifyRecipe
from erya.tasks.finetune import finetune
from erya.tasks.usual_rate import usual_rate, with_usual_rate


def recipe(model: object, *overrides: str) -> ClassifyRecipe:
    given = (f"model={model}", "train_file=a", "dev_file=b", *overrides)
    return load_config(ClassifyRecipe, None, given)


def test_the_narrower_the_higher():
    rates = [usual_rate(width) for width in (32, 128, 129, 256, 257, 512, 513, 1024)]
    assert rates == [1e-3, 1e-3, 6e-4, 6e-4, 2e-4, 2e-4, 5e-5, 5e-5]


def test_what_is_said_stays_and_what_is_not_follows_the_model(tiny_base):
    said: list[str] = []
    given = recipe("nowhere", "train.learning_rate=5e-5")
    assert with_usual_rate(given, tell=said.append) == given and not said
    found = with_usual_rate(recipe(tiny_base), tell=said.append)
    assert found.train.learning_rate == 1e-3 and "usual for a width of 32" in said[0]
    blank = with_usual_rate(recipe(tiny_base, "random_init=true"), tell=said.append)
    assert blank.train.learning_rate == 1e-3


def test_a_run_goes_on_with_the_rate_it_began_with(tiny_base, tmp_path):
    text = dump_yaml(recipe(tiny_base, "train.learning_rate=7e-5"))
    (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
    found = with_usual_rate(recipe(tiny_base), run=tmp_path, tell=lambda text: None)
    assert found.train.learning_rate == 7e-5


def test_a_model_that_is_not_there():
    with pytest.raises(CheckpointError, match="no such directory"):
        with_usual_rate(recipe("nowhere"), tell=lambda text: None)


def test_training_takes_it(tiny_base, reviews, tmp_path):
    """Not only the command line: who leaves the rate out in Python gets the same."""
    files = (f"model={tiny_base}", f"train_file={reviews.train}", f"dev_file={reviews.dev}", "text=text_a")
    given = load_config(
        ClassifyRecipe, None, [*files, "train.steps=1", "train.epochs=null", "train.trackers=[]"]
    )
    finetune(given, tmp_path / "run", tell=lambda text: None)
    assert "learning_rate: 0.001" in (tmp_path / "run" / "recipe.yaml").read_text(encoding="utf-8")
