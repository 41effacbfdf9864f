"""`erya info RUN` of runs in every state, on the screen and as a page."""

import json
from pathlib import Path
from typing import Any

import pytest

from erya.cli.info import describe
from erya.cli.main import run as erya
from erya.files import exclusive, sha256_of
from erya.train.run_file import RunFile, RunStatus

RECIPE = """
data: {shards: texts/shards}
model: {num_layers: 2, hidden_size: 64}
masking: {prob: 0.3}
train: {steps: 400, max_tokens: 500000}
"""


def write_run(directory: Path, *, steps: int, status: RunStatus = "running", **more: Any) -> Path:
    (directory / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    more = {"total_steps": 400, **more}
    RunFile(status=status, started="2026-01-01T00:00:00+00:00", **more).write(directory)
    with (directory / "metrics.jsonl").open("w") as stream:
        for step in range(1, steps + 1):
            values: dict[str, Any] = {"step": step, "tokens": 1000 * step, "tokens_per_s": 500.0}
            values |= {"loss": 8 - step / 100, "lr": 1e-3, "grad_norm_head": 0.1, "update_ratio_head": 0.002}
            if step == 7:
                values = {"step": 7, "skipped": "the loss is <nan>"}
            stream.write(json.dumps(values) + "\n")
            if step % 50 == 0:
                scores = {"eval_loss": 7 - step / 100, "eval_masked_accuracy": step / 1000}
                stream.write(json.dumps({"step": step, **scores}) + "\n")
    return directory


def test_a_run_that_goes_on(tmp_path: Path) -> None:
    write_run(tmp_path, steps=100, num_parameters=1_500_000)
    with exclusive(tmp_path):
        found = describe(tmp_path)
    assert found["status"] == "running"
    assert found["what"] == ["pre-training of 2 layers x 64, 1.5 M parameters", "on texts/shards"]
    place = {"step": 100, "of": 400, "tokens": 100_000, "of_tokens": 500_000, "tokens_per_s": 500}
    assert found["place"] == {**place, "left": "0:10:00"}  # 300 steps of 1,000 tokens
    assert found["skipped"] == {"steps": 1, "the loss is <nan>": 1}
    assert found["curves"]["eval_loss"] == [(50, 6.5), (100, 6.0)]


@pytest.mark.parametrize(
    ("status", "said"),
    [("running", "killed"), ("interrupted", "interrupted"), ("failed", "failed"), ("finished", "finished")],
)
def test_a_run_that_ended(tmp_path: Path, status: RunStatus, said: str) -> None:
    write_run(tmp_path, steps=9, status=status, error="TrainingError: it was too hot")
    write_checkpoint(tmp_path, "step-8")
    found = describe(tmp_path)
    assert found["status"].startswith(said) and "left" not in found["place"]
    assert ("goes on from" in found["status"]) == (status != "finished")
    assert found["error"] == "TrainingError: it was too hot"


def write_checkpoint(run: Path, name: str) -> Path:
    """Files that are whole as far as anyone can tell."""
    checkpoint = run / "checkpoints" / name
    checkpoint.mkdir(parents=True)
    (checkpoint / "state.json").write_text("{}", encoding="utf-8")
    sums = f"{sha256_of(checkpoint / 'state.json')}  state.json\n"
    (checkpoint / "SHA256SUMS").write_text(sums, encoding="utf-8")
    return checkpoint


def test_damaged_checkpoints_are_told_from_whole_ones(tmp_path: Path) -> None:
    write_run(tmp_path, steps=9, status="failed")
    assert describe(tmp_path)["status"] == (
        "failed before its first checkpoint: the same command starts from the beginning"
    )
    (tmp_path / "checkpoints" / "step-9").mkdir(parents=True)
    (write_checkpoint(tmp_path, "step-8") / "state.json").write_text("{", encoding="utf-8")
    write_checkpoint(tmp_path, "damaged-step-7")
    found = describe(tmp_path)
    assert found["checkpoints"] == []
    assert found["damaged_checkpoints"] == ["damaged-step-7", "step-8", "step-9"]
    assert found["status"] == "failed: no checkpoint is whole, start over with --no-resume"
    write_checkpoint(tmp_path, "step-4")
    found = describe(tmp_path)
    assert found["checkpoints"] == [4] and "goes on from the last checkpoint" in found["status"]


def test_a_run_that_crashed_at_once(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("train: {}\n", encoding="utf-8")
    found = describe(tmp_path)
    assert (found["status"], found["place"], found["curves"]) == ("unknown", {}, {})
    assert erya(["info", str(tmp_path), "--html", str(tmp_path / "page.html")]) == 0
    assert "No step was written down yet" in (tmp_path / "page.html").read_text("utf-8")


def test_long_series_are_thinned_and_what_is_no_number_left_out(tmp_path: Path) -> None:
    write_run(tmp_path, steps=1200)
    with (tmp_path / "metrics.jsonl").open("a") as stream:
        stream.write('{"step": 1201, "loss": "nan"}\n')
    points = describe(tmp_path)["curves"]["loss"]
    assert len(points) == 400 and points[-1] == (1200, pytest.approx(8 - 11.995))


def test_the_screen_has_curves_and_fits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert erya(["info", str(write_run(tmp_path, steps=300))]) == 0
    shown = capsys.readouterr().out
    assert "held-out masked accuracy" in shown and "┤" in shown
    assert "update_ratio" not in shown and "steps 1, the loss is <nan> 1" in shown
    assert len(shown.splitlines()) <= 40


def test_the_page_has_pictures_and_escapes_causes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    arguments = ["info", str(write_run(tmp_path, steps=60)), "--html", str(page), "--json"]
    assert erya(arguments) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "run"
    html = page.read_text("utf-8")
    assert html.count("<svg") == 2 and "update over weight" in html
    assert "the loss is &lt;nan&gt;" in html and "<nan>" not in html
    assert "http" not in html.replace("http://www.w3.org", "")


def test_the_page_of_a_run_that_counts_tokens(tmp_path: Path) -> None:
    write_run(tmp_path, steps=60, total_steps=None)
    assert erya(["info", str(tmp_path), "--html", str(tmp_path / "page.html")]) == 0
    html = (tmp_path / "page.html").read_text("utf-8")
    assert "<b>60</b>steps" in html and "<b>500,000</b>tokens wanted" in html
