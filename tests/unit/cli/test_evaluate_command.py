"""`erya evaluate` as it is typed: one model and a file, two models and a file, and what is neither."""

import json
import shutil

import pytest
from tiny_reviews import POSITIVE

pytest.importorskip("torch")

from erya.cli import main


@pytest.fixture
def erya(monkeypatch, capsys):
    monkeypatch.setattr(main, "VERBS", ("evaluate",))

    def run(*arguments):
        status = main.run([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return run


def test_columns_are_those_of_training_unless_said_otherwise(erya, tiny_run, reviews, tmp_path):
    status, stdout, _ = erya("evaluate", tiny_run / "model", reviews.dev, "--out", tmp_path / "a", "--json")
    assert status == 0
    first = json.loads(stdout)
    assert first["examples"] == 40 and first["intervals"]["accuracy"][0] <= first["accuracy"]
    renamed = tmp_path / "renamed.tsv"
    renamed.write_text(
        reviews.dev.read_text("utf-8").replace("label\ttext_a", "sentiment\treview", 1), encoding="utf-8"
    )
    command = ("evaluate", tiny_run / "model", "--on", renamed, "--out", tmp_path / "b", "--json")
    status, _, stderr = erya(*command)
    assert status == 2 and "text_a" in stderr
    status, stdout, _ = erya(*command, "--column", "text=review", "--label", "sentiment")
    assert status == 0 and json.loads(stdout)["accuracy"] == first["accuracy"]


def test_source_and_training_file_make_parts(erya, tiny_run, reviews, tmp_path):
    lines = reviews.dev.read_text("utf-8").splitlines()
    lines[1] = reviews.train.read_text("utf-8").splitlines()[1]
    sourced = [lines[0] + "\tsite"] + [
        f"{line}\t{'甲' if n < 20 else '乙'}" for n, line in enumerate(lines[1:])
    ]
    data = tmp_path / "test.tsv"
    data.write_text("\n".join(sourced) + "\n", encoding="utf-8")
    status, stdout, _ = erya(
        *("evaluate", tiny_run / "model", data, "--out", tmp_path / "out", "--json"),
        *("--source", "site", "--train", reviews.train),
    )
    parts = json.loads(stdout)["parts"]
    assert status == 0 and [(part["name"], part["examples"]) for part in parts["source"]] == [
        ("甲", 20),
        ("乙", 20),
    ]
    seen = {part["name"]: part["examples"] for part in parts["training"]}
    assert seen["in it to the character"] >= 1 and sum(seen.values()) == 40


def test_out_of_fold_labels_are_judged_beside(erya, tiny_run, reviews, tmp_path):
    folds = tmp_path / "out_of_fold.jsonl"
    rows = [
        {
            "line": n,
            "truth": "a",
            "text": "很好",
            "scores": {"a": 0.9 - 0.8 * (n == 5), "b": 0.1 + 0.8 * (n == 5)},
        }
        if n % 2
        else {"line": n, "truth": "b", "text": "很差", "scores": {"a": 0.1, "b": 0.9}}
        for n in range(30)
    ]
    folds.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    status, _, _ = erya(
        "evaluate", tiny_run / "model", reviews.dev, "--out", tmp_path / "out", "--out-of-fold", folds
    )
    assert status == 0
    found = (tmp_path / "out" / "train_suspects.tsv").read_text("utf-8").splitlines()
    assert len(found) == 2 and found[1].startswith("5\ta\tb\t")
    assert "training file" in (tmp_path / "out" / "report.html").read_text("utf-8")


def test_two_models_on_a_file(erya, tiny_run, reviews, tmp_path):
    other = shutil.copytree(tiny_run / "model", tmp_path / "other" / "model")
    out = tmp_path / "out"
    command = ("evaluate", tiny_run / "model", other, "--on", reviews.dev, "--out", out)
    status, stdout, stderr = erya(*command)
    assert status == 0 and "accuracy" in stdout and "No difference is shown" in stderr
    assert POSITIVE in (out / "report.html").read_text("utf-8")
    assert json.loads((out / "metrics.json").read_text("utf-8"))["only_first_right"] == 0
    assert erya(*command)[0] == 0
    status, _, stderr = erya("evaluate", tiny_run / "model", reviews.dev, "--out", out)
    assert status == 2 and "another model" in stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{model}"], "no file to score the model on"),
        (["{model}", "{model}"], "no file to score them on"),
        (["{model}", "{data}", "{data}"], "3 paths"),
        (["{model}", "{model}", "{model}", "--on", "{data}"], "two can be compared"),
        (["{model}", "{data}", "--on", "{data}"], "a model directory is wanted"),
        (["{model}", "{data}", "--column", "text"], "FIELD=NAME"),
        (["{model}", "{model}", "--on", "{data}", "--out-of-fold", "{data}"], "of one model"),
    ],
)
def test_what_is_typed_wrong_is_said_with_the_right_form(erya, tiny_run, reviews, arguments, said):
    places = {"model": tiny_run / "model", "data": reviews.dev}
    status, _, stderr = erya("evaluate", *(argument.format(**places) for argument in arguments))
    assert status == 2 and said in " ".join(stderr.split()) and "Traceback" not in stderr
