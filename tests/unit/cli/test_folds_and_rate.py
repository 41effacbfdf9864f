"""Cross-validation and the search for a learning rate as a user types them."""

import json
import sys

import pytest

pytest.importorskip("torch")

from erya.cli import main


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
    status, _, stderr = erya(*command, "--out", tmp_path / "x", "--folds", "2", "--seeds", "2")
    assert status == 2 and "choose one of the two" in stderr


def test_a_rate_is_suggested_and_nothing_is_trained(erya, tiny_base, reviews, tmp_path) -> None:
    command = ("finetune", "classify", "--model", tiny_base, "--train", reviews.train, "--dev", reviews.dev)
    status, stdout, stderr = erya(
        *(*command, "--text", "text_a", "--out", tmp_path / "rate", "--find-rate", "train.threads=1")
    )
    assert status == 0 and "falls fastest at" in stderr
    key, _, rate = stdout.strip().partition("=")
    assert key == "train.learning_rate" and 1e-6 < float(rate) < 1
    assert {path.name for path in (tmp_path / "rate").iterdir()} == {"rate.html", "rate.json"}
