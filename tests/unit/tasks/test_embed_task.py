"""Texts, pairs and negatives read, encoded, decoded and scored without a network."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from erya.checkpoints.info import ModelInfo
from erya.config import validate
from erya.errors import CheckpointError, ConfigError, InputError
from erya.tasks.embed.examples import Example, read_texts
from erya.tasks.embed.kind import EmbedKind
from erya.tasks.embed.recipe import EmbedRecipe, EmbedSettings
from erya.tasks.embed.retrieval import closest
from erya.tasks.embed.task import EmbedTask, cosine
from erya.tasks.texts import LengthLimit
from erya.tokenizer.wordpiece import Tokenizer

COLUMNS = {"text": "a", "pair": "b", "score": "y", "negatives": "n"}
FILES = {"model": "m", "train_file": "t", "dev_file": "d"}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory) -> Tokenizer:
    folder = tmp_path_factory.mktemp("vocabulary")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"甲乙丙丁问文："]
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    return Tokenizer.open(folder)


def example(text="甲", pair="乙", negatives=(), score=None, role="query") -> Example:
    return Example(text, pair, negatives, score, "pairs.tsv, line 2", 2, role)


def recipe(**changes) -> EmbedRecipe:
    return validate(EmbedRecipe, FILES | changes, where="the test")


def unit(*values: float) -> np.ndarray:
    vector = np.array(values, dtype=np.float32)
    return vector / np.linalg.norm(vector)


def read(path: Path, *rows: object) -> list[Example]:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return list(read_texts(path, columns=COLUMNS, labelled=True))


def test_files_of_every_kind_are_read(tmp_path: Path) -> None:
    lines = tmp_path / "texts.txt"
    lines.write_text("甲\n\n 乙 \n", encoding="utf-8")
    plain = list(read_texts(lines, columns=COLUMNS, labelled=True))
    assert [(e.text, e.pair, e.score, e.line) for e in plain] == [
        ("甲", None, None, 1),
        ("乙", None, None, 3),
    ]
    for name in ("pairs.tsv", "pairs.txt"):
        table = tmp_path / name
        table.write_text("a\tb\ty\tn\n甲\t乙\t2.5\t丙\n", encoding="utf-8")
        assert [(e.texts, e.score) for e in read_texts(table, columns=COLUMNS, labelled=True)] == [
            (("甲", "乙", "丙"), 2.5)
        ]
    assert [e.score for e in read_texts(table, columns=COLUMNS, labelled=False)] == [None]
    rows = read(
        tmp_path / "p.txt.jsonl", {"a": "甲", "b": "乙", "n": ["丙", "丁"]}, {"a": "丙", "b": "丁", "y": 1}
    )
    assert rows[0].texts == ("甲", "乙", "丙", "丁") and rows[1].score == 1.0


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"a": " ", "b": "乙"}, "the text is empty"),
        ({"a": "甲", "b": "乙", "y": "high"}, "a number is wanted as the score, not 'high'"),
        ({"a": "甲", "b": "乙", "n": "丙"}, "a list of texts"),
        ({"a": "甲", "b": "乙", "n": ["丙", " "]}, "a list of texts"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path: Path, row: dict, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        read(tmp_path / "p.jsonl", {"a": "甲"}, row)
    assert "p.jsonl, line 2" in str(caught.value.where)
    empty = tmp_path / "empty.txt"
    empty.write_text("\n")
    with pytest.raises(InputError, match="no text"):
        list(read_texts(empty, columns=COLUMNS, labelled=True))


def test_texts_of_an_example_stand_end_to_end_with_their_prefixes(tokenizer) -> None:
    task = EmbedTask(EmbedSettings(query_prefix="问：", passage_prefix="文："))
    examples = [example(text="丙丁", negatives=("甲",), score=2.0), example(score=1.0, role="passage")]
    encoded = task.encode(examples, tokenizer, limit=LengthLimit(8, False, 8))
    first, second = encoded.features
    shown = "".join(tokenizer.vocab[i] for i in first.ids)
    assert shown == "[CLS]问：丙丁[SEP][CLS]文：乙[SEP][CLS]文：甲[SEP]"
    assert first.row_targets["text_lengths"].tolist() == [6, 5, 5]
    assert "".join(tokenizer.vocab[i] for i in second.ids) == "[CLS]文：甲[SEP][CLS]文：乙[SEP]"
    keys = np.concatenate([first.row_targets["text_keys"], second.row_targets["text_keys"]]).tolist()
    assert keys[1] == keys[4] and keys[2] == keys[3] and len(set(keys)) == 3
    assert [float(f.targets["scores"]) for f in encoded.features] == [2.0, 1.0]
    spans, numbers = encoded.encodings[0].spans, encoded.encodings[0].text_ids
    texts = examples[0].texts
    cut = [texts[n][a:b] for n, (a, b) in zip(numbers.tolist(), spans.tolist(), strict=True) if n >= 0]
    assert cut == ["", "", "丙", "丁", "", "", "乙", "", "", "甲"]
    mixed = task.encode([examples[0], example()], tokenizer, limit=LengthLimit(8, False, 8))
    assert all("scores" not in f.targets for f in mixed.features)
    with pytest.raises(InputError, match="1 of 5 texts"):
        task.encode(examples, tokenizer, limit=LengthLimit(5, False, 8))


def test_vectors_become_answers(tokenizer) -> None:
    vectors = [np.stack([unit(1, 0), unit(1, 1)]), np.stack([unit(0, 1)])]
    examples = [example(), example(pair=None)]
    plain = EmbedTask(EmbedSettings()).decode(vectors, None, examples)
    assert plain[0].score == pytest.approx(math.sqrt(0.5)) and plain[0].label is None
    assert plain[1].to_dict() == {"text": "甲", "embedding": [0.0, 1.0]}
    knows = EmbedTask(EmbedSettings(threshold=0.7)).decode(vectors, None, examples)[0].to_dict()
    assert knows["label"] == "similar" and knows["pair_embedding"] == [0.7071068, 0.7071068]
    assert EmbedTask(EmbedSettings(threshold=0.8)).decode(vectors, None, examples)[0].label == "different"
    assert cosine(np.zeros(2, np.float32), unit(1, 0)) == 0.0


def pairs(cosines: list[float], scores: list[float]):
    """Examples with vectors that have these cosines."""
    vectors = [np.stack([unit(1, 0), np.array([c, math.sqrt(1 - c * c)], np.float32)]) for c in cosines]
    return vectors, [example(score=score) for score in scores]


def test_the_threshold_is_the_best_on_the_dev_pairs() -> None:
    task = EmbedTask(EmbedSettings(similar_from=3.0))
    vectors, examples = pairs([0.9, 0.8, 0.5, 0.4, 0.2], [5, 3, 2, 3, 0])
    calibration = task.calibration()
    calibration.add(vectors[:2], None, examples[:2])
    calibration.add(vectors[2:], None, examples[2:])
    found = calibration.task()
    # All three that are similar, and one that is not: F1 is 6/7; with the first two alone 4/5.
    assert found.options.threshold == pytest.approx(0.3, abs=1e-6)
    tally = found.tally()
    tally.add(found.decode(vectors, None, examples), examples)
    numbers = tally.scores().numbers()
    assert numbers["accuracy"] == 0.8 and numbers["similar_f1"] == pytest.approx(6 / 7)
    assert numbers["spearman"] == pytest.approx(0.8207826817, abs=1e-6)
    assert EmbedTask(EmbedSettings()).calibration().task().options.threshold is None


def test_a_model_keeps_which_scores_mean_the_same() -> None:
    """What it is judged by later is what its threshold was found by, whatever scores another file has."""
    vectors, examples = pairs([0.9, 0.8, 0.5, 0.2], [5, 4, 3, 0])
    calibration = EmbedTask(EmbedSettings(similar_from=4.0)).calibration()
    calibration.add(vectors, None, examples)
    info = ModelInfo(max_length=8, kind="embed", settings=calibration.task().settings)
    opened = EmbedKind().task_from(info)
    tally = opened.tally()
    tally.add(opened.decode(vectors, None, examples), examples)
    assert tally.scores().numbers()["accuracy"] == 1.0


def test_another_file_is_judged_by_the_middle_of_the_dev_file() -> None:
    vectors, examples = pairs([0.9, 0.8, 0.5, 0.2], [5, 4, 2, 0])
    calibration = EmbedTask(EmbedSettings()).calibration()
    calibration.add(vectors, None, examples)
    info = ModelInfo(max_length=8, kind="embed", settings=calibration.task().settings)
    opened = EmbedKind().task_from(info)
    assert opened.options.similar_from == 4.0, "the lowest score above 2.5"
    # Its own middle is 1: the second pair would be called similar.
    vectors, examples = pairs([0.3, 0.4, 0.1], [0, 2, 1])
    tally = opened.tally()
    tally.add(opened.decode(vectors, None, examples), examples)
    decisions = tally.scores().decisions
    assert decisions.accuracy == 1.0 and [row.support for row in decisions.classes] == [3, 0]


def test_without_scores_nothing_is_said_of_which_mean_the_same() -> None:
    for scores in ([], [3, 3]):
        vectors, examples = pairs([0.5] * len(scores), scores)
        calibration = EmbedTask(EmbedSettings()).calibration()
        calibration.add(vectors, None, examples)
        assert calibration.task().options == EmbedSettings()


@pytest.mark.parametrize(
    ("cosines", "scores", "best"),
    [([0.5, 0.5, 0.1], [1, 0, 0], 0.3), ([0.1, 0.9], [1, 0], 0.1), ([0.5, 0.1], [1, 1], None)],
)
def test_pairs_of_one_cosine_cannot_be_parted(cosines, scores, best) -> None:
    task = EmbedTask(EmbedSettings(similar_from=1))
    vectors, examples = pairs(cosines, scores)
    tally = task.tally()
    tally.add(task.decode(vectors, None, examples), examples)
    found = tally.scores().best_threshold
    assert found is None if best is None else found == pytest.approx(best, abs=1e-6)


def test_passages_are_found_among_all() -> None:
    task = EmbedTask(EmbedSettings())
    examples = [
        example(text="q1", pair="p1", negatives=("n1",)),
        example(text="q1", pair="p2"),
        example(text="q2", pair="p3"),
    ]
    vectors = [
        np.stack([unit(1, 0), unit(1, 0.1), unit(1, 0.2)]),
        np.stack([unit(1, 0), unit(1, 0.3)]),
        np.stack([unit(0, 1), unit(1, 0.15)]),
    ]
    tally = task.tally()
    tally.add(task.decode(vectors, None, examples), examples)
    scores = tally.scores()
    # q1 finds p1 p3 n1 p2; q2 finds p2 n1 p3 p1.
    numbers = scores.numbers()
    assert scores.num_passages == 4
    assert numbers["mrr@10"] == pytest.approx((1 + 1 / 3) / 2)
    assert numbers["recall@1"] == pytest.approx((0.5 + 0) / 2) and numbers["recall@10"] == 1.0
    ideal = 1 + 1 / math.log2(3)
    assert numbers["ndcg@10"] == pytest.approx(((1 + 1 / math.log2(5)) / ideal + 1 / math.log2(4)) / 2)


def test_search_in_blocks_is_exact(monkeypatch) -> None:
    rng = np.random.default_rng(0)
    queries = rng.integers(-2, 3, (7, 3)).astype(np.float32)
    passages = rng.integers(-2, 3, (200, 3)).astype(np.float16)  # small numbers: many equal products
    products = queries @ passages.T.astype(np.float32)
    expected = np.argsort(-products, axis=1, kind="stable")[:, :9]
    for cells in (1 << 24, 7 * 20, 1):
        monkeypatch.setattr("erya.tasks.embed.retrieval._BLOCK_CELLS", cells)
        monkeypatch.setattr("erya.tasks.embed.retrieval._BLOCK_QUERIES", 3 if cells == 1 else 256)
        numbers, found = closest(queries, passages, top=9)
        np.testing.assert_array_equal(numbers, expected)
        np.testing.assert_array_equal(found, np.take_along_axis(products, expected, axis=1))
    assert closest(queries, passages[:2], top=5)[0].shape == (7, 2)


def test_what_an_objective_needs_must_be_there() -> None:
    kind = EmbedKind()
    bare, paired = [example(pair=None), example(text="丙", pair=None)], [example(), example(text="丙")]
    scored = [example(score=1), example(text="丙", score=2)]
    for objective, train, words in (
        ("in_batch", bare, "no second text .column 'pair'."),
        ("cosent", paired, "no score .column 'score'."),
        ("cosent", [example(score=1), example(text="丙", score=1)], "the same score"),
        ("in_batch", scored, "has scores"),
        ("simcse", [example(pair=None)] * 2, "all training texts are the same"),
    ):
        with pytest.raises(InputError, match=words):
            kind.task_for(recipe(objective=objective), train)
    task = kind.task_for(recipe(objective="simcse", pooling="cls", sizes=[8], similar_from=4), bare)
    assert task.options == EmbedSettings(pooling="cls", sizes=(8,), similar_from=4)
    with pytest.raises(InputError, match="the dev file is judged by"):
        kind.check(task, bare)
    with pytest.raises(InputError, match="some dev pairs have a score"):
        kind.check(task, [scored[0], paired[0]])
    kind.check(task, paired)
    lines = kind.describe(task, paired, [paired[0], example(text="丁")])
    assert "2 dev pairs without scores" in lines[0] and "1 dev examples (50.0%)" in lines[1]


def test_a_recipe_keeps_batches_whole() -> None:
    with pytest.raises(ConfigError, match=r"micro_batch_tokens must be null.*chunk_tokens"):
        recipe(train={"micro_batch_tokens": 64})
    with pytest.raises(ConfigError, match="different widths"):
        recipe(sizes=[8, 8])
    assert recipe(objective="in_batch").train.monitor.key == "eval_mrr@10"
    assert recipe().train.monitor.key == "eval_spearman"


def test_a_task_comes_back_from_its_directory() -> None:
    kind = EmbedKind()
    task = EmbedTask(EmbedSettings(pooling="cls", normalise=False, query_prefix="问：", threshold=0.4))
    info = ModelInfo(kind="embed", max_length=9, settings=task.settings)
    assert kind.task_from(info) == task
    with pytest.raises(CheckpointError, match="pooling"):
        kind.task_from(info.model_copy(update={"settings": {"pooling": "max"}}))
