"""The search for a learning rate: what is read off a curve, and that nothing is left of the search."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from erya.errors import ConfigError, TrainingError
from erya.tasks.batches import ExampleBatches
from erya.tasks.preparation import prepare
from erya.tasks.rate_finder import RateCurve, curve_of, find_rate
from erya.tasks.rate_page import write_rate
from erya.tasks.trainable import TaskTrainable

RATES = np.geomspace(1e-6, 1.0, 121)  # 20 a decade


def valley(rates: np.ndarray) -> np.ndarray:
    """Flat to 1e-4, then a fall that is fastest at 1e-3, and a leap at 0.1."""
    fall = 1.0 - 0.8 / (1 + (1e-3 / rates) ** 2)
    return np.where(rates < 0.1, fall, 50.0)


def test_the_steepest_fall_and_the_leap_are_read_off() -> None:
    curve = curve_of(RATES, valley(RATES))
    assert curve.steepest is not None and 0.7e-3 < curve.steepest < 1.4e-3
    assert curve.diverged == 1.0 and curve.tenth == pytest.approx(0.1)
    assert curve.suggestion == curve.steepest


def test_the_suggestion_is_no_more_than_a_tenth_of_the_leap() -> None:
    curve = RateCurve(RATES, RATES, RATES, steepest=0.5, diverged=1.0)
    assert curve.suggestion == pytest.approx(0.1)


def test_a_loss_that_only_rises_suggests_nothing() -> None:
    curve = curve_of(RATES, np.linspace(1.0, 2.0, len(RATES)))
    assert curve.steepest is None and curve.suggestion is None and curve.diverged is None


def test_what_is_not_finite_ends_the_curve() -> None:
    losses = valley(RATES)
    losses[60] = np.nan
    curve = curve_of(RATES, losses)
    assert len(curve.rates) == 60 and curve.diverged == RATES[60]
    losses[3] = np.nan
    with pytest.raises(TrainingError, match="the loss is nan at a learning rate of"):
        curve_of(RATES, losses)


def search(recipe, **options) -> tuple[RateCurve, TaskTrainable]:
    prepared = prepare(recipe, lambda text: None)
    trainable = TaskTrainable(prepared.learner)
    source = ExampleBatches(prepared.train.features, batch_size=8, batch_tokens=200, seed=0)
    before = {name: value.clone() for name, value in trainable.module.state_dict().items()}
    curve = find_rate(trainable, source, recipe=recipe.train, tell=lambda text: None, **options)
    after = trainable.module.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert all(parameter.grad is None for parameter in trainable.module.parameters())
    return curve, trainable


def test_a_search_finds_a_rate_and_leaves_the_weights_alone(classify_recipe) -> None:
    seen = []
    curve, _ = search(classify_recipe(), num_steps=60, progress=lambda step, loss: seen.append((step, loss)))
    assert curve.suggestion is not None and 1e-5 < curve.suggestion < 0.3
    assert curve.smoothed.min() < 0.9 * curve.smoothed[0]
    assert seen[0] == (1, pytest.approx(curve.losses[0])) and len(seen) == len(curve.rates)
    again, _ = search(classify_recipe(), num_steps=60)
    assert np.array_equal(again.losses, curve.losses)


def test_a_search_ends_where_the_loss_leaps_up(classify_recipe) -> None:
    curve, _ = search(classify_recipe(), lowest=1e-3, highest=1e4, num_steps=50)
    assert len(curve.rates) < 50 and curve.diverged is not None and curve.diverged < 1e4


@pytest.mark.parametrize("options", [{"lowest": 1.0, "highest": 0.1}, {"num_steps": 3}, {"lowest": 0.0}])
def test_an_empty_range_is_refused(classify_recipe, options) -> None:
    with pytest.raises(ConfigError, match="cannot be tried"):
        search(classify_recipe(), **options)


def test_the_page_shows_the_curve_and_the_file_has_the_numbers(tmp_path: Path) -> None:
    page = write_rate(tmp_path, curve_of(RATES, valley(RATES)), title="<识别>")
    html = page.read_text(encoding="utf-8")
    assert "<svg" in html and "falls fastest" in html and "&lt;识别&gt;" in html
    numbers = json.loads((tmp_path / "rate.json").read_text())
    assert numbers["tenth_of_divergence"] == pytest.approx(0.1) and len(numbers["losses"]) == len(RATES)


def test_a_page_without_a_suggestion_says_so(tmp_path: Path) -> None:
    page = write_rate(tmp_path, curve_of(RATES, np.linspace(1.0, 2.0, len(RATES))), title="x")
    assert "never falls" in page.read_text(encoding="utf-8")
