"""Reading comprehension trained, saved, opened again: long contexts, thresholds, what is told."""

import json

import pytest
from tiny_questions import QuestionFiles, write_questions

torch = pytest.importorskip("torch")

from erya.config import validate  # noqa: E402
from erya.errors import InputError  # noqa: E402
from erya.evaluate.run import evaluate  # noqa: E402
from erya.tasks.answer.recipe import AnswerRecipe  # noqa: E402
from erya.tasks.answer.scores import AnswerTally  # noqa: E402
from erya.tasks.finetune import finetune  # noqa: E402
from erya.tasks.predictor import Predictor  # noqa: E402


@pytest.fixture(scope="module")
def questions(tmp_path_factory) -> QuestionFiles:
    folder = tmp_path_factory.mktemp("questions")
    return QuestionFiles(
        train=write_questions(folder / "train.jsonl", 160, seed=1),
        dev=write_questions(folder / "dev.jsonl", 50, seed=2),
    )


def recipe_of(base, files, **changes):
    train = {
        "learning_rate": 5e-3,
        "epochs": 4,
        "threads": 1,
        "device": "cpu",
        "precision": "float32",
        "monitor": {"key": "eval_best_f1", "patience": None},
        **changes.pop("train", {}),
    }
    values = {
        "model": str(base),
        "train_file": str(files.train),
        "dev_file": str(files.dev),
        "stride": 6,
        "batch_size": 16,
        "evals_per_epoch": 1,
        "train": train,
        **changes,
    }
    return validate(AnswerRecipe, values, where="the test")


@pytest.fixture(scope="module")
def run(tiny_base, questions, tmp_path_factory):
    told = []
    folder = tmp_path_factory.mktemp("reader") / "run"
    done = finetune(recipe_of(tiny_base, questions), folder, tell=told.append)
    return folder, done, told


def test_it_learns_long_contexts_and_to_give_no_answer(run, questions):
    folder, done, told = run
    best = done.result.state.best_metrics
    assert best["eval_best_f1"] > 0.9 and done.labels is None
    assert any("160 training and 50 dev questions; without an answer: 32+10" in line for line in told)
    assert any("cut into windows that overlap" in line for line in told)
    info = json.loads((folder / "model" / "erya.json").read_text())
    assert info["task"] == "answer" and info["settings"]["stride"] == 6 and info["settings"]["can_abstain"]

    predictor = Predictor.open(folder / "model", device="cpu")
    examples = list(predictor.kind.examples(questions.dev, columns=recipe_columns(), labelled=True))
    predictions, report = predictor.predict_examples(examples)
    tally = AnswerTally(predictor.task.options)
    tally.add(predictions, examples)
    scores = tally.scores()
    # What was found on the dev file is what the saved model does.
    assert scores.answers.every.f1 == pytest.approx(best["eval_best_f1"], abs=1e-6)
    assert report.windowed_texts > 0 and report.truncated_texts == 0
    assert {prediction.id for prediction in predictions} == {f"q{n}" for n in range(50)}
    assert all(a.text == p.context[a.start : a.end] for p in predictions for a in p.answers)


def recipe_columns():
    return {"question": "question", "context": "context", "answers": "answers"}


def test_a_question_alone_gets_the_answer_it_gets_in_a_batch(run, questions):
    predictor = Predictor.open(run[0] / "model", device="cpu")
    examples = list(predictor.kind.examples(questions.dev, columns=recipe_columns(), labelled=False))[:12]
    together, _ = predictor.predict_examples(examples)
    for example, expected in zip(examples, together, strict=True):
        (alone,) = predictor.predict([example.question], [example.context])
        assert [(a.start, a.end) for a in alone.answers] == [(a.start, a.end) for a in expected.answers]
        assert alone.no_answer_score == pytest.approx(expected.no_answer_score, abs=1e-5)
        for mine, other in zip(alone.answers, expected.answers, strict=True):
            assert mine.score == pytest.approx(other.score, abs=1e-5)


def test_a_very_long_context_is_read_to_its_end(run):
    predictor = Predictor.open(run[0] / "model", device="cpu")
    context = "很大房间" * 600 + "推荐" + "，" * 40
    (prediction,) = predictor.predict(["好不"], [context], batch_tokens=512)
    assert prediction.answers[0].text == "推荐" and prediction.answers[0].start == 2400


def test_an_empty_question_is_refused_and_a_missing_context(run):
    predictor = Predictor.open(run[0] / "model", device="cpu")
    with pytest.raises(InputError, match="question is empty"):
        predictor.predict([" "], ["很大"])
    with pytest.raises(InputError, match="takes a context"):
        predictor.predict(["好不"])


def test_other_people_open_what_was_trained(run):
    transformers = pytest.importorskip("transformers")
    theirs = transformers.AutoModelForQuestionAnswering.from_pretrained(run[0] / "model").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(run[0] / "model")
    inputs = tokenizer("好不", "很大房间推荐，。", return_tensors="pt")
    with torch.no_grad():
        output = theirs(**inputs)
    predictor = Predictor.open(run[0] / "model", device="cpu")
    (prediction,) = predictor.predict(["好不"], ["很大房间推荐，。"])
    assert prediction.answers[0].text == "推荐"
    first, last = int(output.start_logits.argmax()), int(output.end_logits.argmax())
    assert tokenizer.convert_ids_to_tokens(inputs["input_ids"][0, first : last + 1]) == ["推", "荐"]


def test_all_answerable_questions_have_no_threshold(tiny_base, tmp_path):
    files = QuestionFiles(
        train=write_questions(tmp_path / "train.jsonl", 24, seed=3, unanswerable=False, longest=9),
        dev=write_questions(tmp_path / "dev.jsonl", 6, seed=4, unanswerable=False, longest=9),
    )
    recipe = recipe_of(
        tiny_base, files, stride=None, train={"epochs": 1, "monitor": {"key": "eval_exact_match"}}
    )
    done = finetune(recipe, tmp_path / "run", tell=lambda text: None)
    assert set(done.result.state.best_metrics) >= {"eval_f1", "eval_exact_match", "eval_average", "eval_loss"}
    assert "eval_best_f1" not in done.result.state.best_metrics
    predictor = Predictor.open(tmp_path / "run" / "model", device="cpu")
    (prediction,) = predictor.predict(["好不"], ["很大"])
    assert prediction.no_answer_score is None and len(prediction.answers) > 0


def test_a_model_that_refuses_misplaced_answers_is_evaluated_on_them_and_counts_them(run, tmp_path):
    path = tmp_path / "test.jsonl"
    context = "房间很大，服务很好。"
    rows = [
        {"question": "服务", "context": context, "answers": [{"text": "很好", "start": n}]} for n in (0, 7)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    model = run[0] / "model"
    predictor = Predictor.open(model, device="cpu")
    assert predictor.task.options.bad_answers == "refuse"
    columns = {field: field for field in ("question", "context", "answers")}
    done = evaluate(predictor, path, model=model, columns=columns)
    assert done.num_examples == 2 and done.encoding.misfits.total() == 1
    assert any("line 2" in line or "line 1" in line for line in done.encoding.lines())
