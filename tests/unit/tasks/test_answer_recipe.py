"""The recipe of reading comprehension: what it refuses, what it gives the task, the file we ship."""

from pathlib import Path

import pytest
import yaml

from erya.config import dump_yaml, load_config
from erya.errors import ConfigError
from erya.tasks.answer.recipe import AnswerRecipe, AnswerSettings

RECIPES = Path(__file__).parents[3] / "recipes" / "finetune"
NEEDED = ["model=m", "train_file=a.json", "dev_file=b.json"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("stride=-1", "stride"),
        ("max_answer_length=0", "max_answer_length"),
        ("num_answers=0", "num_answers"),
        ("bad_answers=ignore", "bad_answers"),
        ("classifier_dropout_prob=0.1", "no dropout of its own"),
        ("train.monitor.key=eval_accuracy", "key"),
        ("train.monitor.mode=min", "mode"),
        ("strides=3", "stride"),
    ],
)
def test_what_makes_no_sense_is_refused(override, message):
    with pytest.raises(ConfigError, match=message):
        load_config(AnswerRecipe, None, [*NEEDED, override])


def test_the_task_is_told_every_option():
    options = {
        "stride": 9,
        "max_answer_length": 7,
        "num_answers": 2,
        "overlapping": True,
        "bad_answers": "mend",
    }
    recipe = load_config(AnswerRecipe, None, [*NEEDED, *(f"{key}={value}" for key, value in options.items())])
    assert recipe.settings(can_abstain=True) == AnswerSettings(**options, can_abstain=True)


def test_it_survives_being_written_down(tmp_path):
    recipe = load_config(AnswerRecipe, None, [*NEEDED, "question=q", "train.monitor.key=eval_best_f1"])
    (tmp_path / "r.yaml").write_text(dump_yaml(recipe), encoding="utf-8")
    assert load_config(AnswerRecipe, tmp_path / "r.yaml") == recipe
    assert recipe.columns == {"question": "q", "context": "context", "answers": "answers"}


def test_the_recipe_we_ship_names_every_key_with_its_default():
    written = yaml.safe_load((RECIPES / "answer.yaml").read_text(encoding="utf-8"))
    shipped = load_config(AnswerRecipe, RECIPES / "answer.yaml")
    files = [f"{key}={written[key]}" for key in ("model", "train_file", "dev_file")]
    assert shipped == load_config(AnswerRecipe, None, files)
    written["train"] |= {"learning_rate": shipped.train.learning_rate}  # follows from the model
    assert written == shipped.model_dump(mode="json")
