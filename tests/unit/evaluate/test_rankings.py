"""Rankings in the report: intervals and tests are of queries, and the worst queries are shown."""

import json

import numpy as np
import pytest
from made_outcomes import Made, evaluation_of, matched, reranked, searched

pytest.importorskip("torch")

from erya.checkpoints.directory import load_encoder, read_model
from erya.checkpoints.info import ModelInfo
from erya.config import validate
from erya.errors import InputError
from erya.evaluate.compare import compare, ranking_differences
from erya.evaluate.comparison_report import render_comparison
from erya.evaluate.estimates import SEED
from erya.evaluate.rankings import estimate_ranking
from erya.evaluate.report import render_report
from erya.evaluate.run import evaluate
from erya.metrics.intervals import bootstrap_intervals
from erya.tasks.embed.kind import EmbedKind
from erya.tasks.embed.recipe import EmbedSettings
from erya.tasks.embed.task import EmbedTask
from erya.tasks.match.examples import Example as Pair
from erya.tasks.match.kind import MatchKind
from erya.tasks.match.recipe import MatchRecipe
from erya.tasks.match.task import Prediction as Match
from erya.tasks.predictor import Predictor
from erya.tokenizer.opening import open_tokenizer


def reciprocal_ranks(made):
    """By hand: of each query with a relevant candidate 1 over the rank of the first."""
    queries = {}
    for example, answer in zip(made.examples, made.answers, strict=True):
        queries.setdefault(example.text, []).append((answer.score, int(example.target)))
    found = []
    for candidates in queries.values():
        grades = [grade for _, grade in sorted(candidates, reverse=True)]
        if any(grades):
            found.append(1 / (grades.index(1) + 1))
    return np.array(found)


def test_intervals_of_a_ranking_draw_queries():
    made = reranked(60)
    found = {one.name: one for one in estimate_ranking(made.scores())}
    assert list(found) == ["mrr@10", "ndcg@10", "recall@1", "map"]
    ranks = reciprocal_ranks(made)
    assert len(ranks) == 59
    means = {"mrr@10": lambda sums: sums[:, 1] / sums[:, 0]}
    own = bootstrap_intervals(means, np.stack([np.ones(59), ranks], axis=1), seed=SEED)["mrr@10"]
    mrr = found["mrr@10"]
    assert mrr.value == pytest.approx(ranks.mean()) and mrr.value == made.scores().numbers()["mrr@10"]
    assert (mrr.low, mrr.high) == pytest.approx((own.low, own.high))
    # Candidates that change no rank change no interval, however many more rows there are.
    more = [
        Pair(one.text, f"{one.pair}x", "0", one.where, one.line, is_candidate=True) for one in made.examples
    ]
    least = [Match(one.text, one.pair, 1e-9, "0", {"0": 1 - 1e-9, "1": 1e-9}) for one in more]
    longer = Made(made.task, [*made.examples, *more], [*made.answers, *least])
    assert estimate_ranking(longer.scores())[0] == mrr


def test_a_file_without_queries_has_no_ranking(tmp_path):
    done = evaluation_of(matched(20), tmp_path / "f.tsv")
    assert estimate_ranking(done.scores) == () and "Worst queries" not in render_report(done, training=[])
    assert not any("queries" in warning for warning in done.warnings)


def test_queries_without_a_relevant_candidate_are_told_and_not_scored(tmp_path):
    done = evaluation_of(reranked(1), tmp_path / "f.tsv")
    assert done.ranking is None and done.lost == ()
    assert not {"mrr@10", "map"} & {*dict(done.other_numbers), *(one.name for one in done.estimates)}
    assert "None of the 1 queries has a relevant candidate: no order is scored." in done.warnings


def test_two_rankings_are_compared_query_by_query(tmp_path):
    first, second = (evaluation_of(reranked(120, skill=skill), tmp_path / "f.tsv") for skill in (0.2, 3.0))
    mrr = ranking_differences(first, second)[0]
    ranks = [reciprocal_ranks(reranked(120, skill=skill)) for skill in (0.2, 3.0)]
    assert mrr.difference == pytest.approx((ranks[1] - ranks[0]).mean()) and mrr.p_value < 0.01
    assert 0 < mrr.low < mrr.difference < mrr.high
    error = (ranks[1] - ranks[0]).std() / np.sqrt(119)
    assert mrr.high - mrr.low == pytest.approx(2 * 1.96 * error, rel=0.15)
    same = ranking_differences(first, first)
    assert all(one.difference == 0 and one.p_value == 1 for one in same)
    other = evaluation_of(reranked(30), tmp_path / "f.tsv")
    assert ranking_differences(first, other) == ()


def test_the_worst_queries_are_those_of_the_lowest_reciprocal_rank(tmp_path):
    made = reranked(80, skill=0.5)
    done = evaluation_of(made, tmp_path / "f.tsv")
    ranks = dict(zip(range(3, 82), reciprocal_ranks(made), strict=True))
    expected = sorted((rank, line) for line, rank in ranks.items() if rank < 1)[:30]
    assert [(1 / one.rank, one.line) for one in done.lost] == [pytest.approx(pair) for pair in expected]
    answers = {(one.text, one.pair): one for one in made.answers}
    truths = {(one.text, one.pair): one.target for one in made.examples}
    for one in done.lost:
        scores = {pair: answer.score for (text, pair), answer in answers.items() if text == one.text}
        assert one.first == max(scores, key=scores.__getitem__) and truths[one.text, one.first] == "0"
        right = {pair: score for pair, score in scores.items() if truths[one.text, pair] == "1"}
        assert one.wanted == max(right, key=right.__getitem__)
    html = render_report(done, training=[])
    assert "Worst queries" in html and done.lost[0].wanted in html and "<script>alert" not in html
    text = " ".join(html.split())
    assert "no candidate is relevant: 1 of 80 queries" in text and "choice of the 79 queries" in text


def test_texts_that_are_not_found_are_shown_with_what_was_found_instead(tmp_path):
    made = searched(40)
    done = evaluation_of(made, tmp_path / "f.tsv")
    assert done.lost and all(one.wanted == f"乙{one.line}" != one.first for one in done.lost)
    # Beyond the first ten nothing is looked at: these are the worst.
    places = [one.rank or 11 for one in done.lost]
    assert places == sorted(places, reverse=True) and min(places) > 1
    passages = np.stack([answer.others[0] for answer in made.answers])
    passages /= np.linalg.norm(passages, axis=1, keepdims=True)
    for one in done.lost:
        cosines = passages @ made.answers[one.line - 2].embedding
        order = np.argsort(-cosines).tolist()
        assert one.first == made.answers[order[0]].pair
        rank = order.index(one.line - 2) + 1
        assert one.rank == (rank if rank <= 10 else None)
    assert "Worst queries" in render_report(done, training=[])


@pytest.fixture
def candidates(tmp_path):
    rng = np.random.default_rng(5)
    path = tmp_path / "candidates.jsonl"
    rows = []
    for _ in range(25):
        query, *others = ("".join(rng.choice(list("好净值荐差吵失望"), 4)) for _ in range(5))
        rows.append(
            {"query": query, "candidates": others, "relevance": rng.permutation([1, 0, 0, 0]).tolist()}
        )
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def judge(tiny_base, path, seed):
    """A judge of pairs whose head is not trained."""
    kind, model = MatchKind(), read_model(tiny_base)
    columns = {"text": "text", "pair": "pair", "label": "label"}
    train = list(kind.examples(path, columns=columns, labelled=True))
    files = {"model": "m", "train_file": "t", "dev_file": "d", "train": {"seed": seed}}
    recipe = validate(MatchRecipe, files, where="the test")
    task = kind.task_for(recipe, train)
    learner = kind.new_learner(load_encoder(model), task, recipe, train)
    info = ModelInfo(task="classify", kind="match", max_length=24, labels=task.labels)
    return Predictor(learner, kind, task, open_tokenizer(tiny_base), info)


def test_models_that_rank_are_evaluated_and_compared(tiny_base, candidates, tmp_path):
    first, second = (judge(tiny_base, candidates, seed) for seed in (1, 2))
    columns = MatchKind.recipe.model_construct().columns
    done = evaluate(first, candidates, model=tiny_base, columns=columns)
    plain = done.to_dict()
    for name in ("accuracy", "mrr@10", "ndcg@10", "recall@1", "map"):
        low, high = plain["intervals"][name]
        assert low <= plain[name] <= high and low < high
    assert plain["queries"] == 25 and "Worst queries" in render_report(done, training=[])
    models = (tmp_path / "a" / "model", tmp_path / "b" / "model")
    both = compare(first, second, candidates, models=models, columns=columns)
    found = {one.name: one for one in both.differences}
    assert found["mrr@10"].first == pytest.approx(plain["mrr@10"]) and 0 < found["mrr@10"].p_value <= 1
    assert both.untested == [] or "mrr@10" not in {name for name, *_ in both.untested}
    assert "accuracy differs" in both.verdict and "MRR@10 differs" in both.verdict
    assert "nDCG@10" in render_comparison(both) and "mrr@10" in both.to_dict()["differences"]


@pytest.mark.parametrize("name", ["texts.txt", "texts.tsv"])
def test_bare_texts_cannot_be_scored(tiny_base, tmp_path, name):
    kind, task = EmbedKind(), EmbedTask(EmbedSettings())
    model = read_model(tiny_base)
    info = ModelInfo(kind="embed", max_length=24)
    predictor = Predictor(kind.open_learner(model, task), kind, task, open_tokenizer(tiny_base), info)
    path = tmp_path / name
    path.write_text("text\n好净值荐\n差吵失望\n", encoding="utf-8")
    columns = {**kind.recipe.model_construct().columns, "pair": "second"}
    number = 3 if name.endswith(".txt") else 2
    with pytest.raises(InputError, match=f"neither scores nor pairs.*none of the {number} texts") as caught:
        evaluate(predictor, path, model=tiny_base, columns=columns, predictions=tmp_path / "p.jsonl")
    assert caught.value.where == str(path) and "--pair COLUMN" in str(caught.value.hint)
    assert "'second'" in caught.value.what and not (tmp_path / "p.jsonl").exists()
    with pytest.raises(InputError, match="neither scores nor pairs"):
        compare(predictor, predictor, path, models=(tiny_base, tiny_base), columns=columns)
