import pytest
from pydantic import Field

from erya.config import StrictModel, dump_yaml, load_config
from erya.errors import ConfigError


class Inner(StrictModel):
    learning_rate: float = 1e-3
    steps: int = 10


class Outer(StrictModel):
    name: str = "尔雅"
    train: Inner = Inner()


def test_file_then_overrides(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("name: 甲\ntrain:\n  steps: 5\n", encoding="utf-8")
    config = load_config(Outer, path, ["train.learning_rate=0.5"])
    assert config == Outer(name="甲", train=Inner(learning_rate=0.5, steps=5))


def test_a_dump_reads_back(tmp_path):
    path = tmp_path / "recipe.yaml"
    config = Outer(name="乙")
    path.write_text(dump_yaml(config), encoding="utf-8")
    assert "乙" in path.read_text(encoding="utf-8")
    assert load_config(Outer, path) == config


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["train.learning_rat=1"], "learning_rate"),
        (["nmae=x"], "name"),
        (["train.steps=many"], "steps"),
        (["train.steps"], "key.sub=value"),
        (["name.first=x"], "name"),
        (["train.steps=[1"], "not YAML"),
        (["train.learning_rate=.inf"], "learning_rate.*finite"),
        (["train=5"], r"train: give keys with values.*\(got 5\)"),
        (["train={stepps: 5, learning_rate: many}"], "unknown key 'train.stepps'"),
    ],
)
def test_mistakes_name_the_key(overrides, message):
    with pytest.raises(ConfigError, match=message):
        load_config(Outer, None, overrides)


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [1\n", "\tx: 1"])
def test_a_file_that_is_no_mapping(tmp_path, text):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="recipe"):
        load_config(Outer, path)


def test_a_missing_recipe(tmp_path):
    with pytest.raises(ConfigError, match="no such recipe"):
        load_config(Outer, tmp_path / "none.yaml")


def test_a_key_that_stands_twice_is_named(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("train:\n  steps: 5\n  learning_rate: 1\n  steps: 6\n")
    with pytest.raises(ConfigError, match=r"'steps' stands there twice(.|\n)*line 4"):
        load_config(Outer, path)


def test_a_part_that_is_off_may_be_filled_key_by_key(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("train: null\n")
    assert load_config(Outer, path, ["train.steps=7"]).train == Inner(steps=7)


def test_a_great_bound_is_written_short():
    class Bounded(StrictModel):
        rate: float = Field(default=1.0, gt=0, le=1e30)
        tokens: int = Field(default=1, ge=1, lt=1048577)

    for override, said in {
        "rate=1.0e+31": r"rate: Input should be less than or equal to 1e\+30 \(got 1e\+31\)",
        "rate=0": r"rate: Input should be greater than 0 \(got 0\)",
        "tokens=0": r"tokens: Input should be greater than or equal to 1 \(got 0\)",
        "tokens=1048577": r"tokens: Input should be less than 1048577 \(got 1048577\)",
    }.items():
        with pytest.raises(ConfigError, match=said):
            load_config(Bounded, None, [override])


def test_a_bar_is_a_bar():
    class Joined(StrictModel):
        separator: str

    assert load_config(Joined, None, ["separator=|"]).separator == "|"
    assert load_config(Joined, None, ["separator='>'"]).separator == ">"
