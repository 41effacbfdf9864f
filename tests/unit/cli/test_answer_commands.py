"""finetune answer and predict as a user types them: training, resuming, mistakes, long contexts."""

import io
import json
import sys

import pytest
from tiny_questions import write_questions

pytest.importorskip("torch")

from erya.cli import main


@pytest.fixture
def erya(monkeypatch, capsys):
    """Runs a command line; gives (exit status, stdout, stderr)."""
    monkeypatch.setattr(main, "VERBS", ("finetune", "predict"))

    def run(*arguments, stdin=b""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        status = main.run([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return run


def rows_file(path, *rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def row(start, *, question="好不", text="推荐", context="很大推荐房间"):
    return {"question": question, "context": context, "answers": [{"text": text, "start": start}]}


def different(number):
    """Rows with nothing wrong."""
    return [row(2, context="很大推荐房间" + "书" * place) for place in range(number)]


@pytest.fixture
def order(tiny_base, tmp_path):
    """The arguments of a short run; `train` and `dev` may be other files."""

    def build(train=None, dev=None, *more):
        files = {
            "--train": train or write_questions(tmp_path / "train.jsonl", 30, seed=1),
            "--dev": dev or write_questions(tmp_path / "dev.jsonl", 10, seed=2),
        }
        named = [part for pair in files.items() for part in pair]
        return (
            *("finetune", "answer", "--model", tiny_base, *named, "--out", tmp_path / "run", "--json", *more),
            *("stride=6", "batch_size=8", "train.epochs=2", "train.learning_rate=5e-3"),
            *("train.threads=1", "train.device=cpu", "train.precision=float32"),
        )

    return build


def test_train_resume_predict(erya, order, tmp_path):
    arguments = order()
    status, stdout, stderr = erya(*arguments)
    assert status == 0 and "30 training and 10 dev questions; without an answer: 6+2" in stderr
    result = json.loads(stdout)
    assert {"eval_exact_match", "eval_f1", "eval_best_f1", "eval_loss"} <= set(result)
    assert result["labels"] is None and result["model"] == str(tmp_path / "run" / "model")
    again = erya(*arguments)  # there is nothing left to do
    assert again[0] == 0 and json.loads(again[1])["steps"] == result["steps"]

    model = tmp_path / "run" / "model"
    by_file = rows_file(tmp_path / "ask.jsonl", {"question": "好不", "context": "很大" * 60 + "推荐"})
    status, stdout, stderr = erya("predict", model, by_file)
    assert status == 0 and "cut into windows" not in stderr
    (predicted,) = [json.loads(line) for line in stdout.splitlines()]
    assert list(predicted) == ["question", "context", "answers", "no_answer_score"]
    for answer in predicted["answers"]:
        assert answer["text"] == predicted["context"][answer["start"] : answer["end"]]
    by_tab = erya("predict", model, "-", "--tab", stdin=f"好不\t{'很大' * 60}推荐\n".encode())
    other = json.loads(by_tab[1])
    assert other["no_answer_score"] == pytest.approx(predicted["no_answer_score"], rel=1e-4)
    assert [a["text"] for a in other["answers"]] == [a["text"] for a in predicted["answers"]]
    asked = [{"question": "好不", "id": "Q7", "answers": []}]
    document = {"data": [{"paragraphs": [{"context": "很大" * 60 + "推荐", "qas": asked}]}]}
    (tmp_path / "ask.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
    named = json.loads(erya("predict", model, tmp_path / "ask.json")[1])
    assert named.pop("id") == "Q7" and [a["text"] for a in named["answers"]] == [
        a["text"] for a in predicted["answers"]
    ]


def test_an_answer_that_is_not_in_its_context_is_refused_by_line(erya, order, tmp_path):
    train = rows_file(tmp_path / "bad.jsonl", row(2), row(1), row(2, text="喜欢"))
    status, _, stderr = erya(*order(train))
    assert status == 2 and "2 answers are not in their context" in stderr
    assert "bad.jsonl, line 2: '推荐' occurs 1 times" in stderr and "line 3: '喜欢' is not in" in stderr
    assert "bad_answers=mend (1 occur once" in stderr and "Traceback" not in stderr


def test_an_answer_out_of_place_is_mended_when_asked(erya, order, tmp_path):
    train = rows_file(tmp_path / "bad.jsonl", *different(8), row(1))
    status, _, stderr = erya(*order(train, None, "--bad-answers", "mend"))
    assert status == 0 and "training: 1 answers are not where the file says: 1 mended" in stderr


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (row(2, question=""), "the question is empty"),
        ({"question": "好不", "context": "很大"}, "no key 'answers'"),
        ({"frage": "好不", "context": "很大", "answers": []}, "no key 'question'"),
    ],
)
def test_a_row_that_cannot_be_used_is_refused_by_line(erya, order, tmp_path, bad, message):
    train = rows_file(tmp_path / "bad.jsonl", row(2), bad)
    status, _, stderr = erya(*order(train))
    assert status == 2 and message in stderr and "bad.jsonl, line 2" in stderr


def test_a_border_inside_a_token_is_told_and_trained_around(erya, order, tmp_path):
    inside = row(1, text="大hot", context="很大hotel推荐")
    train = rows_file(tmp_path / "inside.jsonl", *different(8), inside)
    status, _, stderr = erya(*order(train))
    assert status == 0
    assert "1 begin or end inside a token" in stderr and "line 9" in stderr


def test_a_question_as_long_as_a_window_is_refused_or_cut(erya, order, tmp_path):
    train = rows_file(
        tmp_path / "long.jsonl", row(2), row(2, question="很大" * 10, context="很大推荐" + "房" * 9)
    )
    status, _, stderr = erya(*order(train))
    assert status == 2 and "the first text has 20 tokens" in stderr and "long.jsonl, line 2" in stderr
    status, _, stderr = erya(*order(train, None, "--truncate"))
    assert status == 0 and "truncated: 1 texts" in stderr
