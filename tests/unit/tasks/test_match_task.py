"""Pairs read, encoded, decoded and scored without a network."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from erya.checkpoints.info import ModelInfo
from erya.config import validate
from erya.errors import CheckpointError, ConfigError, InputError
from erya.tasks.match.examples import Example, read_pairs
from erya.tasks.match.kind import MatchKind, find_labels, find_range
from erya.tasks.match.recipe import MatchRecipe, MatchSettings
from erya.tasks.match.task import MatchTask, Prediction
from erya.tasks.texts import LengthLimit
from erya.tokenizer.wordpiece import Tokenizer

COLUMNS = {"text": "a", "pair": "b", "label": "y"}
FILES = {"model": "m", "train_file": "t", "dev_file": "d"}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory) -> Tokenizer:
    folder = tmp_path_factory.mktemp("vocabulary")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"甲乙丙丁"]
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    return Tokenizer.open(folder)


def pair(target: str | None, *, text: str = "甲", other: str = "乙", candidate: bool = False) -> Example:
    return Example(text, other, target, "pairs.tsv, line 2", 2, candidate)


def recipe(**changes) -> MatchRecipe:
    return validate(MatchRecipe, FILES | changes, where="the test")


def written(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_table_of_pairs_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("a\tb\ty\n甲\t乙\t0\n丙\t丁\t0.5\n", encoding="utf-8")
    found = list(read_pairs(path, columns=COLUMNS, labelled=True))
    assert [(e.text, e.pair, e.target, e.line) for e in found] == [
        ("甲", "乙", "0", 2),
        ("丙", "丁", "0.5", 3),
    ]
    assert [e.target for e in read_pairs(path, columns=COLUMNS, labelled=False)] == [None, None]


def test_a_table_without_names_may_have_one_row(tmp_path: Path) -> None:
    path = tmp_path / "p.tsv"
    path.write_text("甲\t乙\t1\n", encoding="utf-8")
    (found,) = read_pairs(path, columns={"text": "1", "pair": "2", "label": "3"}, labelled=True)
    assert (found.text, found.pair, found.target, found.line) == ("甲", "乙", "1", 1)


def test_labels_of_json_are_words_and_numbers(tmp_path: Path) -> None:
    rows = [{"a": "甲", "b": "乙", "y": value} for value in ("same", 1, 2.5, 3.0, True)]
    found = read_pairs(written(tmp_path / "p.jsonl", *rows), columns=COLUMNS, labelled=True)
    assert [example.target for example in found] == ["same", "1", "2.5", "3", "1"]
    with pytest.raises(InputError, match="a word or a number") as caught:
        path = written(tmp_path / "q.jsonl", {"a": "甲", "b": "乙", "y": [1]})
        list(read_pairs(path, columns=COLUMNS, labelled=True))
    assert "line 1" in str(caught.value.where)


def test_candidates_become_pairs(tmp_path: Path) -> None:
    path = written(
        tmp_path / "r.jsonl",
        {"query": "甲", "candidates": ["乙", "丙"], "relevance": [0, 2]},
        {"query": "丁", "candidates": ["乙"], "relevance": [0.5]},
    )
    found = list(read_pairs(path, columns=COLUMNS, labelled=True))
    assert [(e.text, e.pair, e.target, e.is_candidate) for e in found] == [
        ("甲", "乙", "0", True),
        ("甲", "丙", "2", True),
        ("丁", "乙", "0.5", True),
    ]
    assert [e.target for e in read_pairs(path, columns=COLUMNS, labelled=False)] == [None] * 3


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"query": " ", "candidates": ["乙"], "relevance": [1]}, "the query is empty"),
        ({"query": "甲", "candidates": "乙", "relevance": [1]}, "a list of texts"),
        ({"query": "甲", "candidates": ["乙", ""], "relevance": [1, 0]}, "candidate 2"),
        ({"query": "甲", "candidates": ["乙", "丙"], "relevance": [1]}, "2 candidates, but 1 numbers"),
        ({"query": "甲", "candidates": ["乙"], "relevance": ["1"]}, "a number for each candidate"),
    ],
)
def test_candidates_that_cannot_be_used_are_named(tmp_path: Path, row: dict, words: str) -> None:
    good = {"query": "甲", "candidates": ["乙"], "relevance": [1]}
    path = written(tmp_path / "r.jsonl", good, row)
    with pytest.raises(InputError, match=words) as caught:
        list(read_pairs(path, columns=COLUMNS, labelled=True))
    assert "r.jsonl, line 2" in str(caught.value.where)


def test_classes_are_encoded_by_number_and_read_from_logits(tokenizer) -> None:
    task = MatchTask(("no", "yes"), MatchSettings())
    examples = [pair("yes"), pair("no", text="丙丁")]
    encoded = task.encode(examples, tokenizer, limit=LengthLimit(8, False, 8))
    assert [int(f.targets["labels"]) for f in encoded.features] == [1, 0]
    assert encoded.features[0].type_ids.tolist() == [0, 0, 0, 1, 1]
    answers = task.decode([np.array([0.0, 2.0]), np.array([900.0, -900.0])], encoded, examples)
    assert answers[0].score == pytest.approx(1 / (1 + math.exp(-2))) and answers[0].label == "yes"
    assert answers[1].score == 0.0 and answers[1].label == "no"
    scores = {"no": pytest.approx(1 - answers[0].score), "yes": answers[0].score}
    known = {"text": "甲", "pair": "乙", "score": answers[0].score, "label": "yes", "scores": scores}
    assert answers[0].to_dict() == known
    assert task.encode([pair(None)], tokenizer, limit=LengthLimit(8, False, 8)).features[0].targets == {}


def test_every_class_has_its_probability() -> None:
    task = MatchTask(("entailment", "neutral", "contradiction"), MatchSettings())
    (answer,) = task.decode([np.log([0.2, 0.5, 0.3]) + 7], None, [pair("neutral")])
    assert answer.label == "neutral" and answer.score == pytest.approx(0.3)
    assert list(answer.scores) == list(task.labels)
    assert list(answer.to_dict()["scores"].values()) == pytest.approx([0.2, 0.5, 0.3])


@pytest.mark.parametrize("loss", ["mse", "bce"])
def test_numbers_are_scaled_there_and_back(tokenizer, loss) -> None:
    task = MatchTask(None, MatchSettings(objective="regress", loss=loss, low=1, high=5))
    examples = [pair("1"), pair("4"), pair("9")]
    encoded = task.encode(examples, tokenizer, limit=LengthLimit(8, False, 8))
    shares = [float(f.targets["values"]) for f in encoded.features]
    assert shares == [0.0, 0.75, 1.0], "beyond the range there is nothing"
    logit = 0.75 if loss == "mse" else math.log(3)
    (answer,) = task.decode([np.array([logit])], encoded, [examples[1]])
    assert answer.score == pytest.approx(4) and answer.label is None
    assert answer.to_dict() == {"text": "甲", "pair": "乙", "score": answer.score}


def test_scores_of_classes_numbers_and_candidates() -> None:
    tally = MatchTask(("0", "1"), MatchSettings()).tally()
    examples = [pair("1", candidate=True), pair("0", candidate=True), pair("1", text="丙", candidate=True)]
    examples += [pair("0", text="丙", candidate=True)]
    values = [(0.2, "0"), (0.7, "1"), (0.9, "1"), (0.1, "0")]
    answers = [Prediction("", "", score, label) for score, label in values]
    tally.add(answers[:1], examples[:1])
    tally.add(answers[1:], examples[1:])
    scores = tally.scores()
    numbers = scores.numbers()
    assert numbers["accuracy"] == 0.5 and "mean_squared_error" not in numbers
    assert numbers["mrr@10"] == pytest.approx((1 / 2 + 1) / 2)
    assert numbers["ndcg@10"] == pytest.approx((1 / math.log2(3) + 1) / 2)
    assert scores.to_dict()["queries"] == 2 and scores.to_dict()["examples"] == 4
    assert [(one.text, one.line, one.rank) for one in scores.lost] == [("甲", 2, 2)]

    words = MatchTask(("no", "yes"), MatchSettings(ranked=True)).tally()
    words.add([Prediction("", "", 0.9, "yes")], [pair("yes")])
    assert set(words.scores().numbers()) == {"accuracy", "macro_f1"}

    judged = MatchTask(None, MatchSettings(objective="regress", ranked=True)).tally()
    judged.add([Prediction("", "", s) for s in (1.0, 3.0, 2.0)], [pair("0"), pair("2"), pair("2")])
    found = judged.scores().numbers()
    assert found["mean_squared_error"] == pytest.approx(2 / 3) and found["map"] == 1.0
    assert found["spearman"] == pytest.approx(math.sqrt(3) / 2)
    with pytest.raises(InputError, match="negative"):
        judged.add([Prediction("", "", 1.0)], [pair("-1")])


def test_of_equal_candidates_the_less_relevant_stands_first() -> None:
    tally = MatchTask(None, MatchSettings(objective="regress", ranked=True)).tally()
    examples = [pair("2", other="甲"), pair("0", other="乙"), pair("1", other="丙"), pair("0", other="丁")]
    tally.add([Prediction("", "", score) for score in (0.8, 0.8, 0.8, 0.1)], examples)
    (lost,) = tally.scores().lost
    assert (lost.first, lost.wanted, lost.rank) == ("乙", "丙", 2)


def test_labels_stand_in_order_and_fractions_are_no_classes() -> None:
    assert find_labels([pair(t) for t in ("10", "2", "word", "-1")]) == ("-1", "2", "10", "word")
    with pytest.raises(InputError, match="fractions") as caught:
        find_labels([pair("0.5"), pair("1")])
    assert "objective=regress" in str(caught.value.hint)
    with pytest.raises(InputError, match="the same label"):
        find_labels([pair("1"), pair("1")])


def test_the_range_is_that_of_the_file_unless_it_is_said() -> None:
    examples = [pair("1"), pair("4")]
    assert find_range(examples, low=None, high=None) == (1.0, 4.0)
    assert find_range(examples, low=0.0, high=5.0) == (0.0, 5.0)
    with pytest.raises(InputError, match="4 lies outside of the range 0 to 3") as caught:
        find_range(examples, low=0.0, high=3.0)
    assert "line 2" in str(caught.value.where)
    with pytest.raises(InputError, match="a number is wanted as the score, not 'nan'"):
        find_range([pair("nan")], low=None, high=None)
    with pytest.raises(InputError, match="the same score"):
        find_range([pair("2"), pair("2")], low=0, high=5)


def test_a_recipe_says_what_goes_together() -> None:
    assert recipe(objective="regress").train.monitor.key == "eval_spearman"
    chosen = recipe(objective="regress", train={"monitor": {"key": "eval_mean_squared_error", "mode": "min"}})
    assert chosen.train.monitor.key == "eval_mean_squared_error"
    assert recipe().train.monitor.key == "eval_accuracy"
    for wrong, words in (
        ({"low": 0.0}, "objective=regress"),
        ({"objective": "regress", "low": 2.0, "high": 1.0}, "low must be less"),
        ({"objective": "regress", "train": {"monitor": {"key": "eval_accuracy"}}}, "no eval_accuracy: set"),
        ({"train": {"monitor": {"key": "eval_mean_squared_error", "mode": "min"}}}, "no eval_mean_sq"),
        ({"train": {"monitor": {"key": "eval_spearmen"}}}, "eval_spearman"),
    ):
        with pytest.raises(ConfigError, match=words):
            recipe(**wrong)


def test_a_task_comes_back_from_its_directory() -> None:
    kind = MatchKind()
    examples = [pair("1"), pair("4"), pair("3", text="丙")]
    task = kind.task_for(recipe(objective="regress", loss="bce", high=5.0, ranked=True), examples)
    assert task.settings == {"objective": "regress", "loss": "bce", "low": 1.0, "high": 5.0, "ranked": True}
    info = ModelInfo(task="classify", kind="match", max_length=9, settings=task.settings)
    assert kind.task_from(info) == task
    assert kind.task_from(ModelInfo(task="classify", kind="match", max_length=9)).labels is None
    with pytest.raises(CheckpointError, match="lowest"):
        kind.task_from(info.model_copy(update={"settings": {"lowest": 1}}))
    lines = kind.describe(task, examples, [examples[2], pair("2", text="丁")])
    assert lines[0] == "3 training and 2 dev pairs; scores from 1 to 5"
    assert lines[1].startswith("2 dev queries") and "warning: 1 dev pairs (50.0%)" in lines[2]


def test_a_label_only_the_dev_file_has_is_named() -> None:
    task = MatchTask(("no", "yes"), MatchSettings())
    with pytest.raises(InputError, match="unknown label 'yse'") as caught:
        MatchKind().check(task, [pair("no"), pair("yse")])
    assert "yes" in str(caught.value.hint) and "line 2" in str(caught.value.where)
