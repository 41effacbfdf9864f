"""`erya tune` as a user types it."""

import json
import sys

import pytest

pytest.importorskip("torch")
pytest.importorskip("optuna")

from erya.cli import main


@pytest.fixture
def erya(monkeypatch, capsys):
    """Runs a command line; gives (exit status, stdout, stderr)."""
    monkeypatch.setattr(main, "VERBS", ("finetune", "tune"))

    def run(*arguments):
        status = main.run([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def command(tiny_base, reviews, tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "text: text_a\nspace: {batch_size: [16, 40], train: {learning_rate: {low: 1.0e-4, high: 1.0e-2}}}\n"
        "train: {epochs: 1, threads: 1, device: cpu}\n"
    )
    files = ("--model", tiny_base, "--train", reviews.train, "--dev", reviews.dev)
    return ("tune", "classify", "--recipe", recipe, *files, "--out", tmp_path / "out")


def test_a_search_is_made_and_its_best_recipe_can_be_run(erya, command, tmp_path) -> None:
    status, stdout, stderr = erya(*command, "--trials", "1", "--json")
    assert status == 0 and "trial 0: batch_size=" in stderr and "trial 0: whole 0." in stderr
    result = json.loads(stdout)
    assert result["trials"] == 1 and set(result["best"]) == {
        "trial", "score", "batch_size", "train.learning_rate"
    }  # fmt: skip
    for name in ("best.yaml", "model", "tune.html", "study.jsonl", "trials/000/recipe.yaml"):
        assert (tmp_path / "out" / name).exists()
    status, stdout, stderr = erya(*command, "--trials", "1")
    assert status == 0 and "trial 1" not in stderr and "erya finetune classify --recipe" in stderr
    again = ("finetune", "classify", "--recipe", tmp_path / "out/best.yaml", "--out", tmp_path / "again")
    status, stdout, _ = erya(*again, "--json")
    assert status == 0 and json.loads(stdout)["eval_accuracy"] == result["best"]["score"]


def test_mistakes_are_found_before_anything_runs(erya, command, monkeypatch, tmp_path) -> None:
    for given, said in (
        (("space.batch_size=[16]",), "a list of two values or more"),
        (("space.batchsize=[16,32]",), "unknown key 'batchsize'"),
        (("space=null", "batchsize=3"), "unknown key 'batchsize'"),
    ):
        status, _, stderr = erya(*command, *given)
        assert status == 2 and said in stderr and not (tmp_path / "out/trials").exists()
    status, _, stderr = erya("tune", "clasify", *command[2:])
    assert status == 2 and "there is no task 'clasify'" in stderr and "classify" in stderr
    monkeypatch.setitem(sys.modules, "optuna", None)
    status, _, stderr = erya(*command)
    assert status == 2 and "pip install 'erya[tune]'" in stderr


def test_key_value_beats_an_option_as_in_finetune(erya, command, tmp_path) -> None:
    more = ("--truncate", "truncate=false", "train_file=none.tsv", "--trials", "1")
    status, _, stderr = erya(*command, *more)
    assert status == 2 and "none.tsv" in stderr
    status, _, stderr = erya("tune", "classify", "--out", tmp_path / "o", "model=m")
    assert status == 2 and "--train, --dev is missing" in stderr and "erya tune --help" in stderr


def test_without_a_space_the_recipe_itself_is_tried_first(erya, tiny_base, reviews, tmp_path) -> None:
    files = ("--model", tiny_base, "--train", reviews.train, "--dev", reviews.dev)
    keys = ("text=text_a", "train.learning_rate=3e-3", "batch_size=40", "train.epochs=1", "train.device=cpu")
    status, stdout, _ = erya(
        "tune", "classify", *files, "--out", tmp_path / "out", "--trials", "1", "--json", *keys
    )
    assert status == 0
    best = json.loads(stdout)["best"]
    assert (best["train.learning_rate"], best["batch_size"], best["train.epochs"]) == (3e-3, 40, 1)
    assert best["classifier_dropout_prob"] is None
