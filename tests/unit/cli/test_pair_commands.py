"""finetune match, finetune embed and search as a user types them: training, predicting, asking, mistakes."""

import io
import json
import sys

import pytest

pytest.importorskip("torch")

from erya.cli import main

# One look at the dev file, few steps.
FAST = (
    *("train.epochs=1", "train.learning_rate=5e-3", "train.eval_every_steps=1000", "train.trackers=[]"),
    *("train.threads=1", "train.device=cpu", "train.precision=float32"),
)
PRAISE, BLAME = "好净值荐欢", "差吵失望小"


@pytest.fixture
def erya(monkeypatch, capsys):
    """Runs a command line; gives (exit status, stdout, stderr)."""
    monkeypatch.setattr(main, "VERBS", ("finetune", "predict", "search"))

    def run(*arguments, stdin=b""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        status = main.run([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return run


def table(path, *rows, names=("s1", "s2", "y")):
    lines = ("\t".join(map(str, row)) + "\n" for row in (names, *rows))
    path.write_text("".join(lines), encoding="utf-8")
    return path


def pairs(number):
    """Pairs that match where both praise."""
    return [
        (PRAISE[n % 5 :] + "房间", (PRAISE if n % 2 else BLAME)[n % 4 :] + "服务", n % 2)
        for n in range(number)
    ]


def candidates(path, number):
    rows = [
        {"query": "房间" + PRAISE[n % 5], "candidates": [BLAME, PRAISE[n % 3 :]], "relevance": [0, 1]}
        for n in range(number)
    ]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def order(tiny_base, tmp_path):
    """The arguments of a short run."""

    def build(task, train, dev, *more):
        files = ("--model", tiny_base, "--train", train, "--dev", dev, "--out", tmp_path / "run", "--json")
        return ("finetune", task, *files, *more, *FAST)

    return build


def test_a_judge_is_trained_and_asked(erya, order, tmp_path):
    train, dev = table(tmp_path / "t.tsv", *pairs(20)), table(tmp_path / "d.tsv", *pairs(8))
    columns = ("--text", "s1", "--pair", "s2", "--label", "y")
    status, stdout, stderr = erya(*order("match", train, dev, *columns))
    assert status == 0 and "20 training and 8 dev pairs; by label: 0 10+4, 1 10+4" in stderr
    result = json.loads(stdout)
    assert {"eval_accuracy", "eval_macro_f1", "eval_spearman", "eval_loss"} <= set(result)
    assert result["labels"] == ["0", "1"]
    model = tmp_path / "run" / "model"
    status, stdout, _ = erya("predict", model, "-", "--tab", stdin="房间\t好净\n服务\t失望\n".encode())
    assert status == 0
    first, _ = [json.loads(line) for line in stdout.splitlines()]
    assert first.keys() == {"text", "pair", "score", "label", "scores"} and 0 <= first["score"] <= 1
    status, _, stderr = erya("predict", model, dev, "--text", "s1")
    assert status == 2 and "pair" in stderr


def test_candidates_are_put_in_order(erya, order, tmp_path):
    train, dev = candidates(tmp_path / "t.jsonl", 8), candidates(tmp_path / "d.jsonl", 4)
    more = ("--objective", "regress", "loss=bce", "train.monitor.key=eval_mrr@10")
    status, stdout, stderr = erya(*order("match", train, dev, *more))
    assert status == 0 and "4 dev queries" in stderr
    assert {"eval_mrr@10", "eval_ndcg@10", "eval_map", "eval_mean_squared_error"} <= set(json.loads(stdout))


@pytest.mark.parametrize(
    ("label", "more", "words"),
    [
        ("0.5", (), ("numbers with fractions", "objective=regress")),
        ("yes", ("--objective", "regress"), ("a number is wanted as the score, not 'yes'", "t.tsv, line 22")),
        ("7", ("--objective", "regress", "high=5"), ("7 lies outside of the range 0 to 5", "t.tsv, line 22")),
        ("0", ("--pair", "s3"), ("no column 's3'", "s2")),
    ],
)
def test_a_mistake_in_pairs_is_named(erya, order, tmp_path, label, more, words):
    train = table(tmp_path / "t.tsv", *pairs(20), ("房间", "服务", label))
    columns = ("--text", "s1", "--pair", "s2", "--label", "y")
    status, _, stderr = erya(*order("match", train, train, *columns, *more))
    assert status == 2 and all(word in stderr for word in words), stderr


def test_vectors_are_trained_and_a_folder_is_asked(erya, order, tmp_path):
    train, dev = table(tmp_path / "t.tsv", *pairs(20)), table(tmp_path / "d.tsv", *pairs(8))
    columns = ("--text", "s1", "--pair", "s2", "--score", "y")
    status, stdout, stderr = erya(*order("embed", train, dev, *columns, "sizes=[8]", "--pooling", "cls"))
    assert status == 0 and "20 training examples (40 texts" in stderr and "with scores" in stderr
    assert {"eval_spearman", "eval_loss"} <= set(json.loads(stdout))
    model = tmp_path / "run" / "model"
    assert (model / "modules.json").is_file()
    status, stdout, _ = erya("predict", model, "房间很大")
    assert status == 0 and len(json.loads(stdout)["embedding"]) == 32

    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "a.txt").write_text("房间很大，干净。服务很差。", encoding="utf-8")
    (texts / "b.md").write_text("看书。", encoding="utf-8")
    index = ("search", "index", model, texts, "--out", tmp_path / "index", "--size", 8, "--max-chars", 8)
    status, _, stderr = erya(*index)
    assert status == 0 and "2 files (0 unchanged), 3 passages (3 computed)" in stderr
    status, stdout, _ = erya(*index, "--json")
    assert json.loads(stdout) | {"files": 2, "kept_files": 2, "computed": 0} == json.loads(stdout)
    status, stdout, _ = erya("search", "query", tmp_path / "index", "看书。", "--top", 2, "--json")
    hits = [json.loads(line) for line in stdout.splitlines()]
    assert status == 0 and len(hits) == 2
    assert (hits[0]["file"], hits[0]["start"], hits[0]["end"], hits[0]["text"]) == ("b.md", 0, 3, "看书。")
    assert hits[0]["score"] == pytest.approx(1, abs=2e-3)
    status, stdout, _ = erya("search", "query", tmp_path / "index", "看书。", "--top", 1)
    assert status == 0 and "b.md [0:3]" in stdout and "看书。" in stdout

    for arguments, words in (
        (("search", "index", model, texts, "--out", tmp_path / "x", "--size", 9), ("vectors of 9", "8, 32")),
        (("search", "index", model, texts, "--out", tmp_path / "x", "--dtype", "int8"), ("int8", "float16")),
        (("search", "index", model, texts, "--out", tmp_path / "x", "--max-chars", 99), ("takes 22",)),
        (("search", "index", model, tmp_path / "no", "--out", tmp_path / "x"), ("no such folder",)),
        (("search", "query", tmp_path / "no", "看"), ("no index", "erya search index")),
        (("search", "query", tmp_path / "index", " "), ("empty",)),
    ):
        status, _, stderr = erya(*arguments)
        assert status == 2 and all(word in stderr for word in words), stderr


def test_an_index_is_asked_by_its_own_model(erya, order, tiny_run, tmp_path):
    train = table(tmp_path / "t.tsv", *pairs(12))
    columns = ("--text", "s1", "--pair", "s2", "--score", "y")
    model = tmp_path / "run" / "model"
    assert erya(*order("embed", train, train, *columns))[0] == 0
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("好。", encoding="utf-8")
    assert erya("search", "index", model, tmp_path / "texts", "--out", tmp_path / "index")[0] == 0
    assert erya(*order("embed", train, train, *columns, "--no-resume", "train.seed=5"))[0] == 0
    status, _, stderr = erya("search", "query", tmp_path / "index", "好")
    assert status == 2 and "another model, or the model has changed" in stderr
    status, _, stderr = erya(
        "search", "index", tiny_run / "model", tmp_path / "texts", "--out", tmp_path / "x"
    )
    assert status == 2 and "for classify, not for sentence vectors" in stderr


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("train.micro_batch_tokens=64",), ("must be null", "chunk_tokens")),
        (("--objective", "in_batch"), ("has scores", "objective=cosent")),
        (("--objective", "cosine"), ("cosent",)),
        (("--score", "z"), ("no score (column 'z')", "--score COLUMN")),
        (("sizes=[64]",), ("the vectors have 32 numbers",)),
        (("classifier_dropout_prob=0.1",), ("without a classifier",)),
    ],
)
def test_a_mistake_in_vectors_is_named(erya, order, tmp_path, more, words):
    train = table(tmp_path / "t.tsv", *pairs(12))
    columns = ("--text", "s1", "--pair", "s2", "--score", "y")
    status, _, stderr = erya(*order("embed", train, train, *columns, *more))
    assert status == 2 and all(word in stderr for word in words), stderr
