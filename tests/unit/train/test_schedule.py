import pytest
from features_source import FeaturesSource
from toy_model import toy_features, toy_recipe

from erya.errors import ConfigError
from erya.train.recipe import TrainRecipe
from erya.train.schedule import Length, falling
from erya.train.state import RunState

SOURCE = FeaturesSource(toy_features(), batch_tokens=40)


def length(**changes: object) -> Length:
    return Length(toy_recipe(**changes).train, SOURCE)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("linear", [1, 1, 0.55, 0.325, 0.1]),
        ("cosine", [1, 1, 0.55, 0.2318, 0.1]),
        ("constant", [1, 1, 1, 1, 1]),
        ("wsd", [1, 1, 1, 0.3636, 0.1]),
    ],
)
def test_the_rate_falls_to_its_end(schedule: str, expected: list[float]) -> None:
    at = [
        falling(p, warmup=0.2, schedule=schedule, final=0.1, decay_ratio=0.4)  # type: ignore[arg-type]
        for p in (0.1, 0.2, 0.6, 0.8, 1.0)
    ]
    assert at == pytest.approx(expected, abs=1e-4)


def test_no_step_is_taken_with_a_rate_of_zero() -> None:
    for schedule in ("linear", "cosine", "wsd"):
        run = length(steps=10, warmup_ratio=0.2, schedule=schedule, decay_ratio=0.3)
        rates = [run.rate_factor(RunState(step=step)) for step in range(10)]
        assert 0 < min(rates) <= max(rates) <= 1
        assert rates[0] == pytest.approx(0.25) and rates[2:3] > rates[-1:]


@pytest.mark.parametrize("schedule", ["linear", "wsd"])
def test_warmup_may_be_given_in_steps_and_tokens(schedule: str) -> None:
    lengths = {"steps": None, "max_tokens": 400, "schedule": schedule}
    by_ratio, by_tokens = length(**lengths, warmup_ratio=0.2), length(**lengths, warmup_tokens=80)
    lengths = {"steps": 10, "schedule": schedule}
    by_steps, also = length(**lengths, warmup_steps=2), length(**lengths, warmup_ratio=0.2)
    for step in range(10):
        state = RunState(step=step, tokens=40 * step)
        rates = [run.rate_factor(state) for run in (by_ratio, by_tokens, by_steps, also)]
        assert rates == pytest.approx([rates[0]] * 4)


def test_warmup_in_another_unit_than_the_length_needs_a_schedule_that_need_not_know() -> None:
    with pytest.raises(ConfigError, match="warmup_steps needs a length in steps"):
        length(steps=None, max_tokens=100, warmup_steps=2)
    with pytest.raises(ConfigError, match="warmup_tokens needs a length in tokens"):
        length(steps=10, warmup_tokens=2, schedule="cosine")
    run = length(steps=None, max_time_s=100.0, warmup_tokens=80, schedule="wsd")
    at = [run.rate_factor(RunState(step=1, tokens=tokens, seconds=10.0)) for tokens in (0, 20, 80)]
    assert at == pytest.approx([0.25, 0.5, 1.0])
    with pytest.raises(ValueError, match="warm-up is given twice"):
        length(warmup_steps=1, warmup_tokens=2)


@pytest.mark.parametrize("schedule", ["linear", "cosine", "wsd"])
def test_a_budget_of_time_moves_the_rate(schedule: str) -> None:
    run = length(steps=None, max_time_s=100.0, schedule=schedule, decay_ratio=0.5, warmup_ratio=0.1)
    at = [run.rate_factor(RunState(step=10, seconds=seconds)) for seconds in (5.0, 40.0, 60.0, 94.0)]
    assert at[1] > at[0] and at[1] > at[2] > at[3] > 0
    assert run.reached(RunState(step=10, seconds=100.0))
    assert run.rate_factor(RunState(step=2, seconds=4.0)) == pytest.approx(0.5), "read off amid the step"


def test_the_middle_of_a_small_batch_is_near() -> None:
    ramp = {"from_tokens": 20, "over_tokens": 100}
    run = length(steps=None, max_tokens=200, warmup_tokens=100, batch_ramp=ramp)
    assert run.rate_factor(RunState()) == pytest.approx(0.1)
    assert run.rate_factor(RunState(tokens=50)) == pytest.approx(0.65)


def test_the_stable_part_does_not_know_how_long_the_run_is() -> None:
    short, long = (length(steps=steps, warmup_steps=3, schedule="wsd") for steps in (100, 400))
    for step in range(90):
        assert short.rate_factor(RunState(step=step)) == long.rate_factor(RunState(step=step))
    assert short.rate_factor(RunState(step=95)) < long.rate_factor(RunState(step=95)) == 1


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


def test_a_batch_cannot_shrink() -> None:
    with pytest.raises(ValueError, match=r"cannot shrink: batch_ramp\.from_tokens is 50, batch_tokens 40"):
        toy_recipe(batch_ramp={"from_tokens": 50, "over_tokens": 100})


def test_a_warmup_longer_than_the_run_is_doubted() -> None:
    assert length(steps=10, warmup_steps=10).doubt is None
    assert length(steps=None, max_tokens=100, warmup_steps=10, schedule="wsd").doubt is None
    assert "train.warmup_steps is 11" in (length(steps=10, warmup_steps=11).doubt or "")
    tokens = {"steps": None, "max_tokens": 100, "warmup_tokens": 101, "schedule": "wsd"}
    assert "train.warmup_tokens is 101" in (length(**tokens).doubt or "")
