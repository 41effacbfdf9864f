"""Two models on one file: who has what right, tests of significance, one page that fetches nothing."""

import json

import numpy as np
import pytest
from made_outcomes import MAKERS, NASTY, Made, embedded, evaluation_of, searched
from tiny_reviews import NEGATIVE, POSITIVE, write_reviews

pytest.importorskip("torch")

from erya.errors import InputError
from erya.evaluate.adapters.table import adapter_for
from erya.evaluate.compare import Comparison, Difference, compare, ranking_differences
from erya.evaluate.comparison_report import render_comparison
from erya.evaluate.run import evaluate
from erya.metrics.significance import mcnemar
from erya.tasks.embed.recipe import EmbedSettings
from erya.tasks.embed.task import EmbedTask
from erya.tasks.predictor import Predictor

COLUMNS = {"text": "text_a", "label": "label"}


@pytest.fixture(scope="module")
def models(tiny_run):
    """A model that has learnt something, and the same with a bias towards one class."""
    good, bad = (Predictor.open(tiny_run / "model", device="cpu") for _ in range(2))
    import torch

    with torch.no_grad():
        bad.learner.network.classifier.bias[0] += 4.0
    return good, bad


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = write_reviews(tmp_path_factory.mktemp("compare") / "test.tsv", 150, seed=11)
    with path.open("a", encoding="utf-8") as stream:
        stream.write(f"{POSITIVE}\t{NASTY[:12]}\n{NEGATIVE}\t{NASTY[:12]}\n")
    return path


@pytest.fixture(scope="module")
def compared(models, data, tiny_run):
    paths = (tiny_run / "model", tiny_run / "other")
    return compare(*models, data, models=paths, columns=COLUMNS, truncate=True)


def test_counts_and_differences_are_those_of_the_answers(compared, models, data, tiny_run, tmp_path):
    right = []
    for model in models:
        evaluate(
            model, data, model=tiny_run, columns=COLUMNS, truncate=True, predictions=tmp_path / "p.jsonl"
        )
        rows = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text("utf-8").splitlines()]
        right.append(np.array([row["label"] == row["truth"] for row in rows]))
    good, bad = right
    assert good.mean() > bad.mean()
    expected = [[(~good & ~bad).sum(), (~good & bad).sum()], [(good & ~bad).sum(), (good & bad).sum()]]
    np.testing.assert_array_equal(compared.counts, expected)
    assert compared.mcnemar_p == pytest.approx(mcnemar(good, bad))
    accuracy = compared.differences[0]
    assert accuracy.first == pytest.approx(good.mean()) and accuracy.second == pytest.approx(bad.mean())
    assert accuracy.low < accuracy.difference < accuracy.high
    assert accuracy.p_value == pytest.approx(compared.mcnemar_p, abs=0.05)


def test_the_verdict_names_the_better_one_where_chance_does_not_explain_it(compared, models, data, tiny_run):
    assert compared.differences[0].p_value < 0.05
    assert compared.verdict.startswith(f"{compared.names[0]} is better")
    paths = (tiny_run / "model",) * 2
    same = compare(models[0], models[0], data, models=paths, columns=COLUMNS, truncate=True)
    assert same.verdict.startswith("No difference is shown") and same.mcnemar_p == 1.0
    assert all(one.difference == 0 and one.p_value == 1 for one in same.differences)
    assert not same.first_wins and not same.second_wins


def test_examples_only_one_has_right(compared):
    assert compared.first_wins
    for pair in compared.first_wins:
        assert pair.right.is_right and not pair.wrong.is_right and pair.right.line == pair.wrong.line
    surety = [pair.wrong.severity for pair in compared.first_wins]
    assert surety == sorted(surety, reverse=True)


def test_the_page_shows_both_and_escapes(compared):
    html = render_comparison(compared)
    assert "<script>" not in html and "src=" not in html and "href=" not in html
    for part in (
        "McNemar",
        POSITIVE,
        "By length",
        "◀ A",
        compared.names[0],
        compared.names[1],
        "only A has right",
    ):
        assert part in html
    json.dumps(compared.to_dict())


def test_models_that_cannot_be_compared(models, data, tiny_run):
    other = Predictor.open(tiny_run / "model", device="cpu")
    other.task = MAKERS["classify"](1).task
    with pytest.raises(InputError, match="different labels"):
        compare(models[0], other, data, models=(tiny_run, tiny_run), columns=COLUMNS)
    other.kind = type("Kind", (), {"name": "tag"})()
    with pytest.raises(InputError, match="one model is for classify, the other for tag"):
        compare(models[0], other, data, models=(tiny_run, tiny_run), columns=COLUMNS)


def test_how_well_texts_are_found_is_compared_query_by_query(tmp_path):
    first, second = (evaluation_of(searched(30, seed), tmp_path / "f.tsv") for seed in (1, 2))
    differences = ranking_differences(first, second)
    done = Comparison(first, second, differences, np.zeros((2, 2), np.int64), 1.0, (), ())
    mine, theirs = (one.scores.numbers()["mrr@10"] for one in (first, second))
    assert (differences[0].name, differences[0].first, differences[0].second) == (
        "mrr@10",
        pytest.approx(mine),
        pytest.approx(theirs),
    )
    assert done.untested == [] and done.verdict.count("differs by") == 1
    html = render_comparison(done)
    assert (
        f"{mine:.4f}" in html
        and f"{theirs:.4f}" in html
        and "of which there are 30." in " ".join(html.split())
    )
    assert "McNemar" not in html and "Pairs only" not in html
    assert "mcnemar_p" not in done.to_dict()


def test_of_errors_less_is_better(tmp_path):
    (measure,) = (one for one in adapter_for(MAKERS["regress"](1).task).measures if one.is_error)
    assert measure.name == "mean_squared_error"
    evaluations = (evaluation_of(MAKERS["regress"](30), tmp_path / "f.tsv"),) * 2
    less = Difference("mean_squared_error", "error", 0.5, 0.2, -0.4, -0.2, 0.001, is_error=True)
    done = Comparison(*evaluations, (less,), np.zeros((2, 2), np.int64), 1.0, (), ())
    assert less.gain == pytest.approx(0.3) and done.verdict.startswith(f"{done.names[1]} is better")
    assert '<td class="better">0.2000</td>' in render_comparison(done)


def test_numbers_that_are_of_no_query_stand_side_by_side_untested(tmp_path):
    made = embedded(40)
    task = EmbedTask(EmbedSettings(threshold=0.5, similar_from=3))
    first = evaluation_of(Made(task, made.examples, made.answers), tmp_path / "f.tsv")
    done = Comparison(first, first, (), np.zeros((2, 2), np.int64), 1.0, (), ())
    accuracy = first.scores.numbers()["accuracy"]
    assert done.untested[0] == ("accuracy", accuracy, accuracy) and "not tested" in done.verdict
    assert done.to_dict()["untested"]["accuracy"]["first"] == accuracy
    assert "measure, not tested" in render_comparison(done)
