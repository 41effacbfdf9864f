from pathlib import Path

import pytest

from erya.config import load_config
from erya.errors import ConfigError
from erya.pretrain.recipe import PretrainRecipe

TINY = Path(__file__).with_name("tiny.yaml")


@pytest.mark.parametrize(
    ("override", "said", "hint"),
    [
        ("train.learning_rat=1", "train.learning_rat", "learning_rate"),
        ("model.hiden_size=8", "model.hiden_size", "hidden_size"),
        ("masking.prop=0.1", "masking.prop", "prob"),
        ("trian.steps=1", "trian", "train"),
    ],
)
def test_a_misspelt_key_is_named_with_the_nearest(override: str, said: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        load_config(PretrainRecipe, TINY, [override])
    assert hint in str(caught.value.hint)
    assert "tiny.yaml" in str(caught.value.where)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model=null", "either model"),
        ("init_from=model", "either model"),
        ("model.vocab_size=21128", "leave out vocab_size"),
        ("train.steps=null", "no length"),
        ("masking.prob=1.5", "masking.prob"),
        ("train.monitor.key=eval_los", "train.monitor.key.*eval_loss"),
        ("train.monitor.key=eval_masked_accuracy", r"set train\.monitor\.mode=max"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused_in_a_line(override: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        load_config(PretrainRecipe, TINY, [override])
    assert len(caught.value.what) < 150


def test_early_stopping_is_switched_on_by_a_key() -> None:
    recipe = load_config(PretrainRecipe, TINY, ["train.monitor.patience=5"])
    assert recipe.train.monitor is not None
    assert (recipe.train.monitor.key, recipe.train.monitor.mode) == ("eval_loss", "min")
