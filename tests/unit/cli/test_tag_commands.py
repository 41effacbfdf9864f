"""Tagging as a user types it: train, evaluate, predict; what is printed, and what mistakes say."""

import io
import json
import sys

import pytest
import yaml

pytest.importorskip("torch")

from erya.cli import main
from erya.tasks.tag.recipe import TagRecipe

PART = "房 B-PLACE\n间 I-PLACE\n很 O\n好 O\n\n书 B-THING\n很 O\n好 O\n\n再 O\n来 O\n\n"


@pytest.fixture
def erya(monkeypatch, capsys):
    """Runs a command line; gives (exit status, stdout, stderr)."""
    monkeypatch.setattr(main, "VERBS", ("finetune", "evaluate", "predict"))

    def run(*arguments, stdin=b""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        status = main.run([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "data.bio"
    path.write_text(PART * 40, encoding="utf-8")
    return path


def test_train_evaluate_predict(erya, tiny_base, data, tmp_path):
    out = tmp_path / "run"
    command = ("finetune", "tag", "--model", tiny_base, "--train", data, "--dev", data, "--out", out)
    options = ("--head", "crf", "--scheme", "bioes", "--column", "1", "--json", "batch_size=16")
    keys = ("train.epochs=4", "train.threads=1", "train.learning_rate=1e-2")
    status, stdout, stderr = erya(*command, *options, *keys)
    assert status == 0 and "120 training and 120 dev texts; entities by type: PLACE 40+40" in stderr
    result = json.loads(stdout)
    assert result["eval_f1"] > 0.9 and result["labels"][:2] == ["O", "B-PLACE"]
    status, stdout, _ = erya("evaluate", out / "model", data, "--out", tmp_path / "report", "--json")
    assert status == 0 and json.loads(stdout)["f1"] == pytest.approx(result["eval_f1"])
    long = tmp_path / "long.bio"
    long.write_text("房 B-PLACE\n间 I-PLACE\n很 O\n好 O\n" * 12, encoding="utf-8")
    status, stdout, _ = erya("evaluate", out / "model", long, "--out", tmp_path / "long", "--json")
    assert status == 0 and json.loads(stdout)["examples"] == 1, "read in windows, as in training"
    status, stdout, _ = erya("predict", out / "model", "房间很好")
    (found,) = json.loads(stdout)["entities"]
    assert status == 0 and 0.5 < found.pop("score") <= 1
    assert found == {"start": 0, "end": 2, "type": "PLACE", "text": "房间"}
    status, _, stderr = erya("predict", out / "model", "房间\t很好", "--tab")
    assert status == 2 and "--tab was given, but this model takes one text" in stderr


def test_mistakes_are_said(erya, tiny_base, data, tmp_path):
    command = ("finetune", "tag", "--model", tiny_base, "--train", data, "--out", tmp_path / "run")
    status, _, stderr = erya(*command)
    assert status == 2 and "--dev is missing" in stderr
    status, _, stderr = erya(*command, "--dev", data, "--head", "linar")
    assert status == 2 and "head" in stderr and "linear" in stderr
    rows = [{"text": "房间", "entities": [[0, 2, "PLACE"], [1, 2, "THING"]]}]
    overlapping = tmp_path / "rows.jsonl"
    overlapping.write_text(json.dumps(rows[0]) + "\n", encoding="utf-8")
    status, _, stderr = erya(*command, "--dev", overlapping)
    assert status == 2 and "head=span_pairs" in stderr and "line 1" in stderr and "Traceback" not in stderr


def test_the_recipe_in_the_repository_is_complete(pytestconfig):
    path = pytestconfig.rootpath / "recipes" / "finetune" / "tag.yaml"
    given = yaml.safe_load(path.read_text(encoding="utf-8"))
    files = {key: given[key] for key in ("model", "train_file", "dev_file")}
    given["train"] |= {"learning_rate": TagRecipe(**files).train.learning_rate}  # follows from the model
    assert given == TagRecipe(**files).model_dump(mode="json")
