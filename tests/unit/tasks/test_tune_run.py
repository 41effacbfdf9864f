"""A search: what is tried, what is cut short, and that a killed one goes on as if it had not been."""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("optuna")

from erya.config import dump_yaml, load_config, validate
from erya.errors import ConfigError, TrainingError
from erya.files import to_json
from erya.tasks.classify.recipe import ClassifyRecipe
from erya.tasks.finetune import FineTuned
from erya.tasks.predictor import Predictor
from erya.tasks.tune import run as tuning
from erya.tasks.tune import study as studies
from erya.tasks.tune.page import write_tune
from erya.tasks.tune.run import Tuned, Watcher, tune
from erya.tasks.tune.space import Choice, RangeRecipe
from erya.tasks.tune.study import Study
from erya.tasks.usual_rate import usual_rate
from erya.train.loop import TrainResult
from erya.train.protocols import Callback, RunStart
from erya.train.state import RunState

SPACE = {
    "train.learning_rate": RangeRecipe(low=1e-5, high=2e-2, log=True),
    "batch_size": Choice((16, 40)),
    "train.average": Choice((None, {"decay": 0.5})),
}


def quick(classify_recipe, **changes: Any) -> ClassifyRecipe:
    recipe = classify_recipe(train={"epochs": 2, "seed": 3}, **changes)
    assert isinstance(recipe, ClassifyRecipe)
    return recipe


class Pretence:
    """What `finetune` would do, in no time: a score that is best at a learning rate of 1e-3, two looks at the
    dev file between checkpoints, a model that says what made it."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, int]] = []

    def __call__(self, recipe, directory: Path, *, callbacks, tell):  # type: ignore[no-untyped-def]
        checkpoint = directory / "checkpoints" / "look"
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        (directory / "recipe.yaml").write_text(dump_yaml(recipe))
        start = int(checkpoint.read_text()) if checkpoint.exists() else 0
        self.begun.append((directory.name, start))
        looks = recipe.train.epochs * recipe.evals_per_epoch
        quality = 1 - abs(math.log10(recipe.train.learning_rate) + 3) / 4 - recipe.batch_size / 1000
        scores = [quality * (look / looks) for look in range(looks + 1)]
        for callback in callbacks:
            callback.on_start(RunStart(10 * start, 10 * looks, 1))
        for look in range(start + 1, looks + 1):
            for callback in callbacks:
                callback.on_step(SimpleNamespace(step=10 * look))
                callback.on_evaluate(10 * look, {"eval_accuracy": scores[look]})
            if look % 2 == 0:
                checkpoint.write_text(str(look))
        (directory / "model").mkdir(exist_ok=True)
        (directory / "model" / "made_by").write_text(directory.name)
        state = RunState(best_metrics={"eval_accuracy": scores[-1]})
        return FineTuned(directory / "model", None, TrainResult(state, False, False), None, None)  # type: ignore[arg-type]


@pytest.fixture
def pretence(monkeypatch) -> Pretence:
    pretence = Pretence()
    monkeypatch.setattr(tuning, "finetune", pretence)
    monkeypatch.setattr(tuning, "write_tune", lambda directory, *given, **named: directory / "tune.html")
    monkeypatch.setattr(studies, "RANDOM_TRIALS", 2)  # the third asks what the search has seen
    return pretence


def search(recipe, directory: Path, **options: Any) -> Tuned:
    options = {"space": SPACE, "num_trials": 4, "tell": lambda text: None, **options}
    return tune(recipe, directory, **options)


def tried(tuned: Tuned) -> list[tuple[Mapping[str, Any], str, float | None, list[tuple[int, float]]]]:
    return [(each.values, each.status, each.score, list(each.curve)) for each in tuned.outcomes]


def test_a_search_by_real_runs_keeps_the_best(classify_recipe, tmp_path: Path) -> None:
    monitor = {"key": "eval_loss", "mode": "min", "patience": None}
    recipe = classify_recipe(train={"epochs": 2, "monitor": monitor})
    tuned = search(recipe, tmp_path, num_trials=2)
    assert tuned.outcomes[0].values == {
        "train.learning_rate": 5e-3, "batch_size": 16, "train.average": None
    }  # fmt: skip
    scores = [each.score for each in tuned.outcomes]
    assert tuned.best is not None and tuned.best.score == min(scores) < max(scores)
    best = load_config(ClassifyRecipe, tmp_path / "best.yaml")
    assert best == tuned.recipe and best.batch_size == tuned.best.values["batch_size"]
    assert Predictor.open(tmp_path / "model").info.provenance["dev_scores"]["eval_loss"] == min(scores)
    assert tuned.outcomes[0].curve[-1][0] == 4  # two looks in each of two epochs
    for number in range(2):
        left = {path.name for path in (tmp_path / f"trials/{number:03}").iterdir()}
        assert {"recipe.yaml", "metrics.jsonl"} <= left and not left & {"checkpoints", "model"}


def test_each_trial_tries_something_else_and_writes_its_recipe(pretence, classify_recipe, tmp_path) -> None:
    tuned = search(quick(classify_recipe), tmp_path)
    assert [each.number for each in tuned.outcomes] == [0, 1, 2, 3]
    assert len({each.values["train.learning_rate"] for each in tuned.outcomes}) == 4
    assert {to_json(each.values["train.average"]) for each in tuned.outcomes} == {"null", '{"decay": 0.5}'}
    recipe = load_config(ClassifyRecipe, tmp_path / "trials/002/recipe.yaml")
    assert recipe.train.learning_rate == tuned.outcomes[2].values["train.learning_rate"]
    assert (tmp_path / "model/made_by").read_text() == f"{tuned.best.number:03}"


def test_a_rate_that_is_not_said_is_the_usual_one(pretence, classify_recipe, tmp_path: Path) -> None:
    said = quick(classify_recipe).model_dump(mode="json")
    del said["train"]["learning_rate"]
    recipe = validate(ClassifyRecipe, said, where="test")
    for name, space in (("searched", SPACE), ("left", {"batch_size": SPACE["batch_size"]})):
        search(recipe, tmp_path / name, space=space, num_trials=1)
        tried = load_config(ClassifyRecipe, tmp_path / name / "trials/000/recipe.yaml")
        assert tried.train.learning_rate == usual_rate(16), name


def test_a_search_goes_on_with_more_trials_and_tries_nothing_twice(
    pretence, classify_recipe, tmp_path: Path
) -> None:
    recipe = quick(classify_recipe)
    whole = search(recipe, tmp_path / "whole", num_trials=5)
    search(recipe, tmp_path / "parts", num_trials=3)
    assert tried(search(recipe, tmp_path / "parts", num_trials=5)) == tried(whole)


class PowerCut(Callback):
    def __init__(self, step: int) -> None:
        self._step = step

    def on_step(self, report) -> None:  # type: ignore[no-untyped-def]
        if report.step == self._step:
            raise RuntimeError("power cut")


class CutAt(Watcher):
    def __init__(self, number: int, step: int) -> None:
        self._at = number, step

    def on_trial(self, number, values):  # type: ignore[no-untyped-def]
        return [PowerCut(self._at[1])] if number == self._at[0] else []


@pytest.mark.parametrize(("number", "step"), [(0, 30), (2, 10), (3, 30)])
def test_a_search_killed_amid_a_trial_ends_as_if_it_had_not_been(
    pretence, classify_recipe, tmp_path: Path, number: int, step: int
) -> None:
    recipe = quick(classify_recipe)
    whole = search(recipe, tmp_path / "whole", num_trials=5)
    pretence.begun.clear()
    with pytest.raises(RuntimeError, match="power cut"):
        search(recipe, tmp_path / "cut", num_trials=5, watcher=CutAt(number, step))
    again = search(recipe, tmp_path / "cut", num_trials=5)
    assert pretence.begun.count((f"{number:03}", 2 if step == 30 else 0)) == (1 if step == 30 else 2)
    assert tried(again) == tried(whole)
    for name in ("best.yaml", "model/made_by"):
        assert (tmp_path / "cut" / name).read_text() == (tmp_path / "whole" / name).read_text()


def test_a_search_killed_before_the_score_was_written_down_ends_the_same(
    pretence, classify_recipe, tmp_path: Path, monkeypatch
) -> None:
    recipe = quick(classify_recipe)
    whole = search(recipe, tmp_path / "whole")
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="power cut"):
        patch.setattr(Study, "tell", lambda *given, **named: (_ for _ in ()).throw(RuntimeError("power cut")))
        search(recipe, tmp_path / "cut")
    assert tried(search(recipe, tmp_path / "cut")) == tried(whole)


def test_what_is_behind_the_median_is_cut_short(pretence, classify_recipe, tmp_path: Path) -> None:
    recipe, space = quick(classify_recipe), {"train.learning_rate": SPACE["train.learning_rate"]}
    tuned = search(recipe, tmp_path / "cut", space=space, num_trials=9)
    cut = [each for each in tuned.outcomes if each.status == "cut short"]
    assert cut and all(len(each.curve) < 4 for each in cut) and all(each.number >= 4 for each in cut)
    assert tuned.best.status == "whole" and tuned.best.score == max(each.score for each in tuned.outcomes)
    assert not (tmp_path / f"cut/trials/{cut[0].number:03}/checkpoints").exists()
    longer = search(recipe, tmp_path / "whole", space=space, num_trials=8, prune=False)
    assert {each.status for each in longer.outcomes} == {"whole"}


def test_an_interrupted_trial_is_taken_up_again(
    pretence, classify_recipe, tmp_path: Path, monkeypatch
) -> None:
    def interrupted(recipe, directory, **options):  # type: ignore[no-untyped-def]
        run = pretence(recipe, directory, **options)
        return replace(run, model=None) if directory.name == "001" else run

    recipe, said = quick(classify_recipe), list[str]()
    with monkeypatch.context() as patch:
        patch.setattr(tuning, "finetune", interrupted)
        cut = search(recipe, tmp_path / "cut")
    assert cut.interrupted and len(cut.outcomes) == 1
    whole = search(recipe, tmp_path / "cut", tell=said.append)
    assert not whole.interrupted and "a trial that was cut off is taken up again" in said
    assert tried(whole) == tried(search(recipe, tmp_path / "whole"))


def test_a_trial_that_fails_does_not_end_the_search(
    classify_recipe, tmp_path: Path, monkeypatch, pretence
) -> None:
    def failing(recipe, directory, **options):  # type: ignore[no-untyped-def]
        if recipe.batch_size == 40:
            raise TrainingError("no memory")
        return pretence(recipe, directory, **options)

    monkeypatch.setattr(tuning, "finetune", failing)
    said: list[str] = []
    space = {"batch_size": Choice((16, 40))}
    tuned = search(quick(classify_recipe), tmp_path / "some", space=space, num_trials=5, tell=said.append)
    assert {each.status for each in tuned.outcomes if each.values["batch_size"] == 40} == {"failed"}
    assert any("failed: no memory" in text for text in said) and tuned.best.values == {"batch_size": 16}
    recipe = quick(classify_recipe, batch_size=40)
    with pytest.raises(TrainingError, match="the first 3 trials failed, the last one so: no memory"):
        search(recipe, tmp_path / "all", space={"train.learning_rate": SPACE["train.learning_rate"]})


def test_a_recipe_outside_of_its_space_is_said_to_be_left_out(pretence, classify_recipe, tmp_path) -> None:
    said: list[str] = []
    space = {"batch_size": Choice((16, 32))}
    search(quick(classify_recipe), tmp_path / "in", space=space, num_trials=1, tell=said.append)
    assert not any("outside" in text for text in said)
    for trials in (1, 2):  # the second call goes on, and says it no more
        recipe = quick(classify_recipe, batch_size=9)
        search(recipe, tmp_path / "out", space=space, num_trials=trials, tell=said.append)
    assert sum("outside of the space" in text for text in said) == 1


def test_time_that_is_over_begins_no_trial(pretence, classify_recipe, tmp_path: Path) -> None:
    tuned = search(quick(classify_recipe), tmp_path, timeout_s=0.0)
    assert tuned.outcomes == [] and tuned.best is None and tuned.model is None


def test_another_search_in_the_same_place_is_refused_or_set_aside(
    pretence, classify_recipe, tmp_path: Path
) -> None:
    recipe, space = quick(classify_recipe), {"batch_size": Choice((16, 32))}
    search(recipe, tmp_path, space=space, num_trials=1)
    with pytest.raises(ConfigError, match="another one"):
        search(recipe, tmp_path)
    longer = recipe.model_copy(update={"train": recipe.train.model_copy(update={"seed": 9})})
    with pytest.raises(ConfigError, match=r"train\.seed was 3, is 9"):
        search(longer, tmp_path, space=space)
    again = search(recipe, tmp_path, space={"batch_size": Choice((8, 16))}, num_trials=1, resume=False)
    assert again.outcomes[0].values == {"batch_size": 16}
    kept = json.loads((tmp_path / "previous-1/search.json").read_text())
    assert kept["recipe"]["space"] == {"batch_size": [16, 32]}


def test_half_a_line_at_the_end_of_the_study_is_forgotten(pretence, classify_recipe, tmp_path: Path) -> None:
    recipe = quick(classify_recipe)
    search(recipe, tmp_path, num_trials=1)
    with (tmp_path / "study.jsonl").open("a") as stream:
        stream.write('{"op_code": 4, "wor')
    assert len(search(recipe, tmp_path, num_trials=2).outcomes) == 2
    assert len(search(recipe, tmp_path, num_trials=3).outcomes) == 3


def test_the_least_loss_is_the_best_where_the_recipe_says_so(classify_recipe, tmp_path: Path) -> None:
    study = Study(tmp_path, SPACE, maximise=False, seed=0)
    for score in (0.7, 0.3, 0.5):
        study.tell(study.ask(), "whole", score=score)
    assert study.best().number == 1 and study.importances() == {}


def test_the_page_shows_history_slices_and_trials(
    pretence, classify_recipe, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(tuning, "write_tune", write_tune)
    tuned = search(quick(classify_recipe), tmp_path, num_trials=6, prune=False)
    page = tuned.page.read_text(encoding="utf-8")
    for words in (
        "best so far",
        "Score by key",
        "train.learning_rate",
        "What mattered",
        "{&#34;decay&#34;: 0.5}",
    ):
        assert words in page
    assert page.count("<svg") == 4 and "http://" not in page.replace("http://www.w3.org", "")
