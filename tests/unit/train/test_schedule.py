import pytest
from features_source import FeaturesSource
from toy_model import toy_features, toy_recipe

from erya.errors import ConfigError
from erya.train.recipe import TrainRecipe
from erya.train.schedule import Length, rate_factor
from erya.train.state import RunState

SOURCE = FeaturesSource(toy_features(), batch_tokens=40)


def length(**changes: object) -> Length:
    return Length(toy_recipe(**changes).train, SOURCE)


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
def test_the_rate_rises_then_falls_to_its_end(schedule: str) -> None:
    at = [
        rate_factor(p, warmup=0.2, schedule=schedule, final=0.1)  # type: ignore[arg-type]
        for p in (0, 0.1, 0.2, 0.6, 1.0)
    ]
    end = 1.0 if schedule == "constant" else 0.1
    middle = {"linear": 0.55, "cosine": 0.55, "constant": 1.0}[schedule]
    assert at == pytest.approx([0, 0.5, 1.0, middle, end])


def test_no_step_is_taken_with_a_rate_of_zero() -> None:
    run = length(steps=10, warmup_ratio=0.2)
    rates = [run.learning_rate(RunState(step=step)) for step in range(10)]
    assert min(rates) > 0
    assert max(rates) <= 0.01


def test_warmup_may_be_given_in_steps() -> None:
    by_steps, by_ratio = length(steps=10, warmup_steps=2), length(steps=10, warmup_ratio=0.2)
    assert by_steps.learning_rate(RunState(step=1)) == by_ratio.learning_rate(RunState(step=1))


def test_warmup_in_steps_needs_a_length_in_steps() -> None:
    with pytest.raises(ConfigError, match="warmup_steps"):
        length(steps=None, max_tokens=100, warmup_steps=2)


def test_the_first_length_reached_ends_the_run() -> None:
    run = length(steps=10, max_tokens=100, max_time_s=5.0)
    assert run.progress(RunState(step=1, tokens=50, seconds=1.0)) == 0.5
    assert run.reached(RunState(tokens=100))
    assert run.reached(RunState(seconds=5.0))


def test_epochs_are_counted_in_batches() -> None:
    expected = SOURCE.num_batches(0) + SOURCE.num_batches(1)
    assert length(steps=None, epochs=2).total_steps == expected
    assert length(steps=1, epochs=2).total_steps == 1


def test_a_recipe_without_length_is_refused() -> None:
    with pytest.raises(ValueError, match="no length"):
        TrainRecipe(batch_tokens=10, learning_rate=0.1)
