"""Cross-validation and the search for a learning rate as a user types them."""

import json
import sys

import pytest

pytest.importorskip("torch")

from erya.cli import main
from erya.cli import rate as rate_command
from erya.cli.finetuning import recipe_from
from erya.errors import ConfigError
from erya.tasks.classify.recipe import ClassifyRecipe


@pytest.fixture
def erya(monkeypatch, capsys):
    """Runs a command line; gives (exit status, stdout, stderr)."""
    monkeypatch.setattr(main, "VERBS", ("finetune", "predict", "info"))
    monkeypatch.setattr(sys, "stdin", None)

    def run(*arguments):
        status = main.run([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return run


def test_folds_need_no_dev_file_and_give_a_model_that_predicts(erya, tiny_base, reviews, tmp_path) -> None:
    command = ("finetune", "classify", "--model", tiny_base, "--train", reviews.train, "--text", "text_a")
    status, stdout, stderr = erya(
        *(*command, "--out", tmp_path / "run", "--folds", "2", "--json"),
        *("train.epochs=1", "train.threads=1", "train.device=cpu"),
    )
    assert status == 0 and "fold 1, the part held out of 2" in stderr
    rows = [json.loads(line) for line in stdout.splitlines()]
    assert [row["fold"] for row in rows] == [0, 1, "mean", "deviation", "together"]
    assert rows[2]["eval_accuracy"] == pytest.approx(
        (rows[0]["eval_accuracy"] + rows[1]["eval_accuracy"]) / 2
    )
    status, stdout, _ = erya("predict", tmp_path / "run/model", "房间很好")
    assert status == 0 and json.loads(stdout)["text"] == "房间很好"
    status, stdout, _ = erya("info", tmp_path / "run", "--json")
    assert status == 0 and json.loads(stdout)["model"] == str(tmp_path / "run/model")
    status, stdout, _ = erya("info", tmp_path / "run/model", "--json")
    described = json.loads(stdout)
    assert described["members"] == ["member-0", "member-1"] and described["each"]["task"] == "classify"
    status, _, stderr = erya(*command, "--out", tmp_path / "x", "--folds", "2", "--seeds", "2")
    assert status == 2 and "choose one of the two" in stderr


def test_folds_need_no_dev_file_in_a_recipe_either(tmp_path) -> None:
    (tmp_path / "r.yaml").write_text("model: m\ntrain_file: t.tsv\n")
    named = {"model": None, "train_file": None, "dev_file": None}
    recipe = recipe_from(ClassifyRecipe, tmp_path / "r.yaml", named=named, switches={}, overrides=[], folds=2)
    assert recipe.train_file == "t.tsv"
    with pytest.raises(ConfigError, match="dev_file"):
        recipe_from(ClassifyRecipe, tmp_path / "r.yaml", named=named, switches={}, overrides=[])


def test_a_rate_is_suggested_and_nothing_is_trained(erya, tiny_base, reviews, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(rate_command, "_STEPS", 40)
    command = ("finetune", "classify", "--model", tiny_base, "--train", reviews.train, "--dev", reviews.dev)
    status, stdout, stderr = erya(
        *(*command, "--text", "text_a", "--out", tmp_path / "rate", "--find-rate", "train.threads=1")
    )
    assert status == 0 and "falls fastest at" in stderr
    key, _, found = stdout.strip().partition("=")
    assert key == "train.learning_rate" and 1e-6 < float(found) < 1
    assert {path.name for path in (tmp_path / "rate").iterdir()} == {"rate.html", "rate.json"}
    status, _, stderr = erya(*command, "--out", tmp_path / "x", "--find-rate", "--seeds", "3")
    assert status == 2 and "--find-rate trains nothing" in stderr


def test_tasks_are_trained_together(erya, tiny_base, reviews, tmp_path) -> None:
    file = f"train_file: {reviews.train}, dev_file: {reviews.dev}, text: text_a"
    (tmp_path / "two.yaml").write_text(
        f"model: {tiny_base}\ntrain: {{epochs: 1, threads: 1, device: cpu}}\n"
        f"tasks:\n  one: {{kind: classify, {file}}}\n  two: {{kind: classify, {file}}}\n"
    )
    command = ("finetune", "together", tmp_path / "two.yaml", "--out", tmp_path / "run")
    status, stdout, stderr = erya(*command, "--json", "alpha=1", "tasks.two.batch_size=60")
    assert status == 0 and "one: 66.7% of the steps" in stderr
    rows = [json.loads(line) for line in stdout.splitlines()]
    assert [row["task"] for row in rows] == ["one", "two"] and "eval_accuracy" in rows[1]
    status, stdout, _ = erya("predict", rows[1]["model"], "房间很好")
    assert status == 0 and json.loads(stdout)["text"] == "房间很好"
    status, _, stderr = erya(*command, "tasks.one.kind=clasify")
    assert status == 2 and "known: " in stderr
