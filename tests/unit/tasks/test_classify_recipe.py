"""The recipe is strict and its partial keys keep their defaults."""

from pathlib import Path

import pytest
import yaml

from erya.config import dump_yaml, load_config
from erya.errors import ConfigError
from erya.tasks.classify.recipe import ClassifyRecipe

NEEDED = ["model=m", "train_file=a.tsv", "dev_file=b.tsv"]
RECIPES = Path(__file__).resolve().parents[3] / "recipes" / "finetune"


def test_a_partial_monitor_keeps_our_key():
    recipe = load_config(ClassifyRecipe, None, [*NEEDED, "train.monitor.patience=2"])
    assert (recipe.train.monitor.key, recipe.train.monitor.mode) == ("eval_accuracy", "max")


@pytest.mark.parametrize(
    ("more", "usual", "odd"),
    [
        ([], "eval_accuracy", "eval_micro_f1"),
        (["label=[a,b]"], "eval_accuracy", "eval_micro_f1"),
        (["separator=x"], "eval_micro_f1", "eval_accuracy"),
    ],
)
def test_labels_decide_what_a_run_is_watched_by(more, usual, odd):
    assert load_config(ClassifyRecipe, RECIPES / "classify.yaml", more).train.monitor.key == usual
    with pytest.raises(ConfigError, match=f"no {odd}: set train.monitor.key to {usual}, eval_macro_f1, "):
        load_config(ClassifyRecipe, None, [*NEEDED, *more, f"train.monitor.key={odd}"])


def test_a_monitor_that_looks_the_wrong_way_is_refused():
    with pytest.raises(ConfigError, match=r"monitor\.mode=min"):
        load_config(ClassifyRecipe, None, [*NEEDED, "train.monitor.key=eval_loss"])


def test_batches_of_examples_do_not_grow():
    ramp = "train.batch_ramp={from_tokens: 512, over_tokens: 9999}"
    with pytest.raises(ConfigError, match="batch_ramp is for pre-training"):
        load_config(ClassifyRecipe, None, [*NEEDED, ramp])


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("train.learning_rat=1", "learning_rate"),
        ("lable=x", "label"),
        ("train.monitor.keys=1", "key"),
        ("train.optimiser={kind: muon, momentun: 1}", "momentum"),
        ("train.optimiser.decay_embedding=false", "decay_embeddings"),
    ],
)
def test_a_misspelt_key_names_the_nearest(key, near):
    with pytest.raises(ConfigError, match=f"did you mean '{near}'"):
        load_config(ClassifyRecipe, None, [*NEEDED, key])


def test_what_pydantic_adds_to_a_key_is_not_shown():
    for override, message in {
        "train.optimiser={kind: muon, momentum: 2}": r"^train\.optimiser\.momentum: .*less than 1 \(got 2\)",
        "train.optimiser={kind: lamb, momentum: 0.5}": r"^unknown key 'train\.optimiser\.momentum'",
        "train.optimiser.kind=adam": r"^train\.optimiser: .*'adamw', 'muon', 'lamb'",
        "train.micro_batch_tokens=much": r"^train\.micro_batch_tokens: give a number of tokens, auto",
        "train.micro_batch_tokens=0": r"^train\.micro_batch_tokens: give a number of tokens, auto",
    }.items():
        with pytest.raises(ConfigError, match=message):
            load_config(ClassifyRecipe, None, [*NEEDED, override])


def test_it_survives_being_written_down(tmp_path):
    recipe = load_config(ClassifyRecipe, None, [*NEEDED, "pair=text_b", "train.seed=4"])
    (tmp_path / "r.yaml").write_text(dump_yaml(recipe), encoding="utf-8")
    assert load_config(ClassifyRecipe, tmp_path / "r.yaml") == recipe
    assert recipe.columns == {"text": "text", "pair": "text_b", "label": "label"}


def test_the_recipe_we_ship_names_every_key_with_its_default():
    written = yaml.safe_load((RECIPES / "classify.yaml").read_text(encoding="utf-8"))
    shipped = load_config(ClassifyRecipe, RECIPES / "classify.yaml")
    files = [f"{key}={written[key]}" for key in ("model", "train_file", "dev_file")]
    assert shipped == load_config(ClassifyRecipe, None, files)
    written["train"] |= {"learning_rate": shipped.train.learning_rate}  # follows from the model
    written["train"]["monitor"] |= {"key": shipped.train.monitor.key}  # follows from the labels
    assert written == shipped.model_dump(mode="json")
