"""What a craft recipe refuses, and how it says so."""

import pytest

from erya.config import load_config
from erya.errors import ConfigError
from erya.tasks.craft.recipe import CraftRecipe


def recipe(*overrides: str) -> CraftRecipe:
    return load_config(CraftRecipe, None, overrides)


def test_everything_is_off_by_default() -> None:
    off = CraftRecipe()
    given = {name for name, value in off.model_dump().items() if value}
    assert given == {"dropout_samples", "freeze"} and off.dropout_samples == 1
    assert not any(off.freeze.model_dump().values())


def test_a_switch_is_one_word() -> None:
    assert recipe("freeze=all").freeze.everything
    assert recipe("lora={}").lora.rank == 8
    assert recipe("freeze={embeddings: true, layers: 3}").freeze.layers == 3


def test_a_step_of_fgm_goes_all_the_way() -> None:
    assert recipe("adversarial={epsilon: 2.0}").adversarial.stride >= 2.0
    assert recipe("adversarial={steps: 5, step_size: 0.3}").adversarial.stride == 0.3


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["mixup={}", "r_drop={}"], "mixup goes with neither"),
        (["mixup={}", "adversarial={}"], "mixup goes with neither"),
        (["lora={}", "freeze=all"], "leave freeze out"),
        (["lora.targets=[qkv, qkv]"], "twice"),
        (["freeze={everything: true, layers: 2}"], "leave embeddings and layers out"),
        (["cached_states=float16"], "set craft.freeze=all"),
        (["cached_states=float16", "freeze=all", "word_dropout={}"], "word_dropout would be idle"),
        (["cached_states=float16", "freeze=all", "hidden_dropout_prob=0.1"], "would be idle"),
        (["rdrop={}"], "did you mean 'r_drop'"),
    ],
)
def test_what_makes_no_sense_is_refused(overrides: list[str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        recipe(*overrides)


def test_mixup_is_for_one_truth_a_sequence() -> None:
    recipe("mixup={}").require_fits("classify")
    recipe("r_drop={}").require_fits("tag")
    with pytest.raises(ConfigError, match="tag has not"):
        recipe("mixup={}").require_fits("tag")


def test_vectors_are_learnt_from_texts_beside_others() -> None:
    recipe("lora={}", "word_dropout={}", "hidden_dropout_prob=0.2").require_fits("embed")
    for switch in ("r_drop={}", "adversarial={}", "label_smoothing=0.1", "dropout_samples=2"):
        with pytest.raises(ConfigError, match=f"leave craft.{switch.partition('=')[0]} out"):
            recipe(switch).require_fits("embed")
