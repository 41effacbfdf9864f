"""A run is followed by trackers: once each step, the same run after resuming, and never at its cost."""

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from toy_model import toy_recipe, toy_run

from erya.errors import MissingExtraError
from erya.train.protocols import Callback, StepReport
from erya.train.run_file import RunFile, read_run_file


class PowerCut(Callback):
    def __init__(self, step: int) -> None:
        self.step, self.messages = step, list[str]()

    def on_step(self, report: StepReport) -> None:
        if report.step == self.step:
            raise RuntimeError("power cut")

    def on_message(self, text: str) -> None:
        self.messages.append(text)


class FakeMLflow(ModuleType):
    """The client's calls, remembered as a server would."""

    def __init__(self) -> None:
        super().__init__("mlflow")
        self.runs: dict[str, list[tuple[str, int, float]]] = {}
        self.parameters: dict[str, str] = {}
        self.statuses: list[str] = []
        self.uris: list[str] = []
        self.down = False
        self.entities = SimpleNamespace(
            Metric=lambda name, value, time, step: (name, step, value), Param=lambda key, value: (key, value)
        )

    def MlflowClient(self, tracking_uri: str) -> Any:
        self.uris.append(tracking_uri)
        return self

    def get_experiment_by_name(self, name: str) -> Any:
        return SimpleNamespace(experiment_id="7") if self.runs else None

    def create_experiment(self, name: str) -> str:
        assert name == "erya"
        return "7"

    def create_run(self, experiment: str, run_name: str) -> Any:
        assert experiment == "7"
        run_id = f"run-{len(self.runs)}"
        self.runs[run_id] = []
        return SimpleNamespace(info=SimpleNamespace(run_id=run_id))

    def update_run(self, run_id: str, status: str) -> None:
        assert run_id in self.runs

    def log_batch(self, run_id: str, metrics: Any = (), params: Any = ()) -> None:
        if self.down and metrics:
            raise ConnectionError("no route")
        assert len(params) <= 100
        self.parameters.update(params)
        self.runs[run_id] += metrics

    def set_terminated(self, run_id: str, status: str) -> None:
        self.statuses.append(status)


@pytest.fixture
def mlflow(monkeypatch: pytest.MonkeyPatch) -> FakeMLflow:
    fake = FakeMLflow()
    monkeypatch.setitem(sys.modules, "mlflow", fake)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return fake


def test_a_resumed_run_is_the_same_one_and_has_no_point_twice(tmp_path: Path, mlflow: FakeMLflow) -> None:
    recipe = toy_recipe(trackers=["mlflow"], eval_every_steps=4)
    options: dict[str, Any] = {"recipe": recipe, "evaluate": lambda: {"eval_loss": 1.0}}
    for cut in (9, 7, 13):  # the second stops before what the first had logged
        with pytest.raises(RuntimeError, match="power cut"):
            toy_run(tmp_path, callbacks=[PowerCut(cut)], **options)
    toy_run(tmp_path, **options)
    (points,) = mlflow.runs.values()
    assert [step for name, step, _ in points if name == "train/loss"] == list(range(1, 21))
    assert [step for name, step, _ in points if name == "eval/loss"] == [4, 8, 12, 16, 20]
    assert mlflow.statuses == ["FAILED", "FAILED", "FAILED", "FINISHED"]
    assert mlflow.parameters["train.learning_rate"] == "0.01"
    assert set(mlflow.uris) == {f"sqlite:///{tmp_path.resolve()}/trackers/mlflow.db"}
    assert not (tmp_path / "tensorboard").exists()
    logged = {line["step"]: line["loss"] for line in _lines(tmp_path) if "loss" in line}
    assert {step: value for name, step, value in points if name == "train/loss"} == logged


def test_a_configured_server_is_used(
    tmp_path: Path, mlflow: FakeMLflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking:5000")
    toy_run(tmp_path, recipe=toy_recipe(trackers=["mlflow"], steps=2))
    assert mlflow.uris == ["http://tracking:5000"] and not (tmp_path / "trackers").exists()


def test_a_tracker_that_fails_is_left_alone_and_the_run_goes_on(tmp_path: Path, mlflow: FakeMLflow) -> None:
    mlflow.down = True
    told = PowerCut(-1)
    result = toy_run(tmp_path, recipe=toy_recipe(trackers=["mlflow", "tensorboard"]), callbacks=[told])
    assert result.state.step == 20
    assert told.messages == ["warning: mlflow failed and is left alone from now on: no route"]
    assert len(_lines(tmp_path)) == 20 and list((tmp_path / "tensorboard").iterdir())


def test_a_tracker_that_is_not_installed_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingExtraError, match="wandb") as caught:
        toy_run(tmp_path, recipe=toy_recipe(trackers=["wandb"]))
    assert "erya[track]" in str(caught.value.hint)


class FakeRun:
    """A run of W&B or trackio."""

    def __init__(self, **options: Any) -> None:
        self.options, self.id, self.points, self.ended = options, "w1", list[tuple[int, Any]](), None

    def log(self, values: dict[str, float], *, step: int) -> None:
        self.points.append((step, values["train/loss"]))

    def finish(self, **how: Any) -> None:
        self.ended = how


def fake_package(monkeypatch: pytest.MonkeyPatch, name: str) -> list[FakeRun]:
    package, runs = ModuleType(name), list[FakeRun]()

    def init(**options: Any) -> FakeRun:
        print("welcome!")
        runs.append(FakeRun(**options))
        return runs[-1]

    package.init, package.Settings = init, dict  # type: ignore[attr-defined]
    package.finish = lambda: runs[-1].finish()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, name, package)
    return runs


def test_wandb_is_offline_unless_told_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_MODE", "WANDB_BASE_URL", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    runs = fake_package(monkeypatch, "wandb")
    recipe = toy_recipe(trackers=["wandb"], log_every_steps=5)
    with pytest.raises(RuntimeError, match="power cut"):
        toy_run(tmp_path, recipe=recipe, callbacks=[PowerCut(11)])
    monkeypatch.setenv("WANDB_BASE_URL", "http://wandb")
    toy_run(tmp_path, recipe=recipe)
    first, second = runs
    assert (first.options["mode"], first.options["id"], first.ended) == ("offline", None, {"exit_code": 1})
    assert (second.options["mode"], second.options["id"], second.ended) == ("online", "w1", {"exit_code": 0})
    assert [step for step, _ in first.points + second.points] == [5, 10, 15, 20]
    assert first.options["dir"] == str(tmp_path / "trackers")
    assert first.options["config"]["train"]["learning_rate"] == 0.01


def test_trackio_goes_on_by_name_and_keeps_stdout_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TRACKIO_DIR", raising=False)
    runs = fake_package(monkeypatch, "trackio")
    for steps in (4, 6):
        toy_run(tmp_path, recipe=toy_recipe(trackers=["trackio"], steps=steps))
    assert runs[0].options["name"] == runs[1].options["name"]
    assert runs[0].options["name"].startswith(f"{tmp_path.name}-")
    assert [step for run in runs for step, _ in run.points] == [1, 2, 3, 4, 5, 6]
    assert runs[-1].ended is not None and capsys.readouterr().out == ""


def test_the_run_file_says_what_became_of_the_run(tmp_path: Path) -> None:
    assert read_run_file(tmp_path) == RunFile()
    with pytest.raises(RuntimeError):
        toy_run(tmp_path, callbacks=[PowerCut(3)])
    cut = read_run_file(tmp_path)
    assert (cut.status, cut.error, cut.total_steps) == ("failed", "RuntimeError: power cut", 20)
    toy_run(tmp_path)
    done = read_run_file(tmp_path)
    assert (done.status, done.error) == ("finished", None)
    assert done.num_parameters and done.started and done.ended


def _lines(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
