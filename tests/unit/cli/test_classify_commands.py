"""finetune, evaluate and predict as a user types them: results on stdout, the rest on stderr, exit status."""

import io
import json
import shutil
import sys

import pytest
from tiny_reviews import NEGATIVE, POSITIVE

pytest.importorskip("torch")

from erya.cli import main, predict
from erya.tasks.predictor import Predictor


@pytest.fixture
def erya(monkeypatch, capsys):
    """Runs a command line; gives (exit status, stdout, stderr)."""
    monkeypatch.setattr(main, "VERBS", ("finetune", "evaluate", "predict"))

    def run(*arguments, stdin=b""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        status = main.run([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return run


def lines(stdout):
    return [json.loads(line) for line in stdout.splitlines()]


def test_finetune_evaluate_predict(erya, tiny_base, reviews, tmp_path):
    out = tmp_path / "run"
    status, stdout, stderr = erya(
        *("finetune", "classify", "--model", tiny_base, "--train", reviews.train, "--dev", reviews.dev),
        *("--out", out, "--text", "text_a", "--json", "batch_size=16", "train.epochs=1", "train.threads=1"),
    )
    assert status == 0 and "120 training and 40 dev texts" in stderr
    (result,) = lines(stdout)
    assert result["model"] == str(out / "model") and sorted(result["labels"]) == sorted([POSITIVE, NEGATIVE])

    report = tmp_path / "report"
    status, stdout, _ = erya(
        "evaluate", out / "model", reviews.dev, "--text", "text_a", "--out", report, "--json"
    )
    (measured,) = lines(stdout)
    assert status == 0 and measured["accuracy"] == pytest.approx(result["eval_accuracy"], abs=0.05)
    files = {"report.html", "metrics.json", "predictions.jsonl", "suspects.tsv"}
    assert {path.name for path in report.iterdir()} == files
    status, stdout, _ = erya("evaluate", out / "model", reviews.dev, "--text", "text_a", "--out", report)
    assert status == 0 and "macro average" in stdout and POSITIVE in stdout


def test_predict_equals_its_python_twin(erya, tiny_run, tmp_path):
    texts = ["房间很好", "很吵，失望", ""]
    twin = [p.to_dict() for p in Predictor.open(tiny_run / "model", device="cpu").predict(texts)]
    model, plain = tiny_run / "model", ("\n".join(texts[:2]) + "\n\n").encode()
    (tmp_path / "texts.txt").write_bytes(plain)
    (tmp_path / "texts.jsonl").write_text('{"t": "房间很好"}\n{"t": "很吵，失望"}\n', encoding="utf-8")
    ways = {
        "stdin": erya("predict", model, stdin=plain),
        "dash": erya("predict", model, "-", "--chunk", "1", stdin=plain),
        "file": erya("predict", model, tmp_path / "texts.txt"),
        "table": erya("predict", model, tmp_path / "texts.jsonl", "--text", "t"),
        "text": erya("predict", model, texts[0]),
        "jsonl": erya("predict", model, "-", "--jsonl", stdin='{"text": "房间很好"}'.encode()),
    }
    for name, (status, stdout, _) in ways.items():
        assert status == 0, name
        for got, expected in zip(lines(stdout), twin, strict=False):
            assert got["text"] == expected["text"] and got["label"] == expected["label"], name
            assert got["scores"] == pytest.approx(expected["scores"], rel=1e-5), name
    counts = {name: len(lines(stdout)) for name, (_, stdout, _) in ways.items()}
    assert counts == {"stdin": 3, "dash": 3, "file": 3, "table": 2, "text": 1, "jsonl": 1}


@pytest.fixture
def pair_model(tiny_run, tmp_path):
    """The model of single texts, labelled as one of pairs."""
    directory = shutil.copytree(tiny_run / "model", tmp_path / "pairs")
    about = json.loads((directory / "erya.json").read_text(encoding="utf-8"))
    about["settings"]["pairs"] = True
    (directory / "erya.json").write_text(json.dumps(about), encoding="utf-8")
    return directory


def test_pairs_by_tab(erya, pair_model):
    status, stdout, _ = erya("predict", pair_model, "-", "--tab", stdin="很好\t很差\n".encode())
    assert status == 0 and lines(stdout)[0]["pair"] == "很差"
    status, _, stderr = erya("predict", pair_model, "-", "--tab", stdin="很好\n".encode())
    assert status == 2 and "stdin, line 1" in stderr


def test_what_a_model_did_not_learn_from_is_refused(erya, pair_model, tiny_run):
    status, stdout, stderr = erya("predict", pair_model, stdin="很好\n".encode())
    assert status == 2 and stdout == ""
    assert "the model learnt from pairs of texts, this is one text\n  where: stdin, line 1" in stderr
    status, stdout, stderr = erya("predict", tiny_run / "model", "--tab", stdin="很好\t很差\n".encode())
    assert status == 2 and stdout == ""
    assert "the model learnt from single texts, this is a pair\n  where: stdin, line 1" in stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{model}", "missing.tsv"], "no such file"),
        (["{model}", "{folder}"], "directory"),
        (["{model}", "{empty}"], "empty"),
        (["{model}", "{binary}"], "UTF-8|binary"),
        (["{model}", "好" * 40], "--truncate"),
        (["{base}", "很好"], "encoder without a task head"),
        (["no/model", "很好"], "no such directory"),
        (["{model}", "很好", "--precision", "float31"], "float32"),
        (["{model}", "{table}", "--text", "text_b"], "text_a"),
        (["{model}", "{table}", "--text", "text_a", "--tab"], "--text and --pair name them"),
        (["{model}", "{table}", "--jsonl"], "--jsonl is for stdin"),
        (["{model}", "-", "--jsonl", "--tab"], "--text and --pair name them"),
    ],
)
def test_predict_says_what_is_wrong(erya, tiny_run, tiny_base, reviews, tmp_path, arguments, message):
    (tmp_path / "empty.txt").touch()
    (tmp_path / "binary.txt").write_bytes(b"\x7fELF\x00\xff\xfe")
    places = {
        "model": tiny_run / "model",
        "base": tiny_base,
        "folder": tmp_path,
        "empty": tmp_path / "empty.txt",
        "binary": tmp_path / "binary.txt",
        "table": reviews.dev,
    }
    status, stdout, stderr = erya("predict", *(argument.format(**places) for argument in arguments))
    assert status == 2 and stdout == ""
    assert any(part in stderr for part in message.split("|")) and "Traceback" not in stderr


def test_predict_reads_parquet(erya, tiny_run, tmp_path):
    table = pytest.importorskip("pyarrow").table({"review": ["房间很好", "很吵"]})
    pytest.importorskip("pyarrow.parquet").write_table(table, tmp_path / "t.parquet")
    status, stdout, _ = erya("predict", tiny_run / "model", tmp_path / "t.parquet", "--text", "review")
    assert status == 0 and [line["text"] for line in lines(stdout)] == ["房间很好", "很吵"]


def test_texts_are_answered_in_groups_of_bounded_length(erya, tiny_run, pair_model, monkeypatch):
    sizes = []
    monkeypatch.setattr(predict, "_GROUP_CHARACTERS", 10)
    own = Predictor.predict_examples
    monkeypatch.setattr(
        Predictor, "predict_examples", lambda s, group, **o: sizes.append(len(group)) or own(s, group, **o)
    )
    texts = "\n".join(["很吵很吵", "很吵很吵很吵", "好", "很吵很吵很吵很吵", "好", "好"]) + "\n"
    status, stdout, _ = erya("predict", tiny_run / "model", "--chunk", "3", stdin=texts.encode())
    assert status == 0 and len(lines(stdout)) == 6 and sizes == [2, 3, 1]
    sizes.clear()
    pairs = "好\t好\n很吵\t很吵很吵很吵\n好\t好\n"
    erya("predict", pair_model, "--tab", stdin=pairs.encode())
    assert sizes == [2, 1], "second texts count"


def test_finetune_says_what_is_missing_or_misspelt(erya, reviews, tmp_path):
    status, _, stderr = erya("finetune", "classify", "--train", reviews.train, "--out", tmp_path / "run")
    assert status == 2 and "--dev is missing" in stderr
    options = ("--model", "m", "--train", reviews.train, "--dev", reviews.dev, "--out", tmp_path / "run")
    status, _, stderr = erya("finetune", "classify", *options, "train.learning_rat=1")
    assert status == 2 and "'learning_rate'" in stderr


def test_options_are_names_and_never_yaml(erya, tiny_base, tmp_path):
    """A column may be called `no` or `1`, which YAML would read as something else."""
    rows = "".join(f"{label}\t{text}\n" for label, text in [("a", "很好"), ("b", "很差")] * 4)
    (tmp_path / "data.tsv").write_text("1\tno\n" + rows, encoding="utf-8")
    status, stdout, _ = erya(
        *("finetune", "classify", "--model", tiny_base, "--train", tmp_path / "data.tsv"),
        *(
            "--dev",
            tmp_path / "data.tsv",
            "--out",
            tmp_path / "run",
            "--text",
            "no",
            "--label",
            "1",
            "--json",
        ),
        *("train.epochs=1", "train.threads=1"),
    )
    assert status == 0 and lines(stdout)[0]["labels"] == ["a", "b"]


def test_a_recipe_file_with_options_on_top(erya, tiny_base, reviews, tmp_path):
    (tmp_path / "r.yaml").write_text(
        f"model: {tiny_base}\ntrain_file: {reviews.train}\ndev_file: missing.tsv\ntext: text_a\n"
        "train: {epochs: 1, threads: 1}\n",
        encoding="utf-8",
    )
    out = tmp_path / "run"
    status, _, _ = erya("finetune", "classify", "--recipe", tmp_path / "r.yaml", "--out", out)
    assert status == 2
    status, stdout, _ = erya(
        *("finetune", "classify", "--recipe", tmp_path / "r.yaml", "--out", out, "--dev", reviews.dev)
    )
    assert status == 0 and "accuracy" in stdout


def test_two_runs_into_one_directory(erya, tiny_base, reviews, tmp_path):
    from erya.files import exclusive

    with exclusive(tmp_path / "run"):
        status, _, stderr = erya(
            *("finetune", "classify", "--model", tiny_base, "--train", reviews.train, "--dev", reviews.dev),
            *("--out", tmp_path / "run", "--text", "text_a", "train.threads=1"),
        )
    assert status == 2 and "another process" in stderr


def test_evaluate_leaves_nothing_half_written(erya, tiny_run, tmp_path):
    bad = tmp_path / "bad.tsv"
    bad.write_text(f"label\ttext_a\n{POSITIVE}\t很好\n{POSITIVE}\n", encoding="utf-8")
    out = tmp_path / "out"
    status, _, stderr = erya("evaluate", tiny_run / "model", bad, "--text", "text_a", "--out", out)
    assert status == 2 and "line 3" in stderr
    status, _, stderr = erya(
        "evaluate", tiny_run / "model", bad, "--text", "text_a", "--out", out / "inner", "--truncate"
    )
    assert status == 2 and "line 3" in stderr
    assert not out.exists()


def test_evaluate_overwrites_only_the_report_of_the_same(erya, tiny_run, reviews, tmp_path):
    out, model = tmp_path / "out", tiny_run / "model"
    command = ("--text", "text_a", "--out", out)
    for _ in range(2):
        assert erya("evaluate", model, reviews.dev, *command)[0] == 0
    former = (out / "metrics.json").read_bytes()
    other = shutil.copytree(model, tmp_path / "other")
    for arguments, said in [((other, reviews.dev), "another model"), ((model, reviews.train), "other data")]:
        status, _, stderr = erya("evaluate", *arguments, *command)
        assert status == 2 and said in stderr and "choose another --out" in stderr
        assert (out / "metrics.json").read_bytes() == former
    (out / "metrics.json").write_text("[]", encoding="utf-8")
    status, _, stderr = erya("evaluate", model, reviews.dev, *command)
    assert status == 2 and "no evaluation wrote" in stderr


@pytest.mark.parametrize("command", [("finetune", "classify"), ("evaluate",), ("predict",)])
def test_help_has_an_example(erya, command):
    status, stdout, _ = erya(*command, "--help")
    assert status == 0 and "Example:" in stdout and f"erya {' '.join(command)}" in stdout


def test_a_missing_tensor_is_an_error_that_names_it(erya, tiny_run, tmp_path):
    from safetensors.torch import load_file, save_file

    shutil.copytree(tiny_run / "model", tmp_path / "broken")
    tensors = load_file(tmp_path / "broken" / "model.safetensors")
    del tensors["classifier.bias"]
    save_file(tensors, tmp_path / "broken" / "model.safetensors")
    status, _, stderr = erya("predict", tmp_path / "broken", "很好")
    assert status == 2 and "classifier.bias" in stderr
