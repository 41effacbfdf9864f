"""Matching and sentence vectors trained from files, saved, opened and used."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from tiny_reviews import NEGATIVE, POSITIVE, review

pytest.importorskip("torch")

from erya.checkpoints.directory import read_model
from erya.config import validate
from erya.errors import ConfigError, TrainingError
from erya.tasks.embed.head import EmbedLearner
from erya.tasks.embed.recipe import EmbedRecipe
from erya.tasks.finetune import finetune
from erya.tasks.match.recipe import MatchRecipe
from erya.tasks.predictor import Predictor

# One look at the dev file, at the end: a look writes a checkpoint.
TRAINING = {
    "learning_rate": 5e-3,
    "epochs": 6,
    "eval_every_steps": 1000,
    "threads": 1,
    "device": "cpu",
    "precision": "float32",
    "trackers": [],
}


def write_pairs(path: Path, number: int, *, seed: int, first: str | None = None) -> Path:
    """Two reviews, the first perhaps of one sort; they match where both praise or both blame."""
    rng = random.Random(seed)
    rows = []
    for _ in range(number):
        labels = [first or rng.choice((POSITIVE, NEGATIVE)), rng.choice((POSITIVE, NEGATIVE))]
        one, other = (review(rng, label) for label in labels)
        rows.append(f"{one}\t{other}\t{int(labels[0] == labels[1])}\n")
    path.write_text("text\tpair\tlabel\n" + "".join(rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("pairs")
    return {
        "train_file": str(write_pairs(folder / "train.tsv", 160, seed=1)),
        "dev_file": str(write_pairs(folder / "dev.tsv", 40, seed=2)),
    }


def run(recipe_class, directory: Path, **values) -> dict[str, float]:
    values["train"] = TRAINING | values.get("train", {})
    recipe = validate(recipe_class, values, where="the test")
    return finetune(recipe, directory, tell=lambda text: None).result.state.best_metrics


@pytest.mark.parametrize("objective", ["classify", "regress"])
def test_pairs_are_learnt_saved_and_scored(tmp_path, tiny_base, objective) -> None:
    files = {
        f"{name}_file": str(write_pairs(tmp_path / f"{name}.tsv", number, seed=number, first=POSITIVE))
        for name, number in (("train", 160), ("dev", 40))
    }
    options = {} if objective == "classify" else {"objective": "regress", "loss": "bce"}
    best = run(
        MatchRecipe, tmp_path / "run", model=str(tiny_base), batch_size=16, truncate=True, **files, **options
    )
    known = {"classify": "eval_accuracy", "regress": "eval_mean_squared_error"}[objective]
    assert known in best and best["eval_spearman"] > 0.5
    predictor = Predictor.open(tmp_path / "run" / "model")
    assert predictor.kind.name == "match"
    same, other = predictor.predict(["好净值荐", "好净值荐"], ["净值好", "差吵失望"])
    assert same.score > 0.5 > other.score
    assert (same.label == "1") if objective == "classify" else (same.label is None)
    assert _score_by_transformers(tmp_path / "run" / "model") == pytest.approx(same.score, abs=1e-5)
    # Without what only Erya says of it, a classifier with one output is still a judge of pairs.
    (tmp_path / "run" / "model" / "erya.json").unlink()
    foreign = Predictor.open(tmp_path / "run" / "model")
    assert foreign.kind.name == ("classify" if objective == "classify" else "match")
    if objective == "regress":
        plain = foreign.predict(["好净值荐"], ["净值好"])[0].score
        assert 1 / (1 + np.exp(-plain)) == pytest.approx(same.score, abs=1e-5)


def _score_by_transformers(directory: Path) -> float:
    """The score that the library's own class gives to the first pair of the test."""
    transformers = pytest.importorskip("transformers")
    model = transformers.AutoModelForSequenceClassification.from_pretrained(directory).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    logits = model(**tokenizer("好净值荐", "净值好", return_tensors="pt")).logits[0].detach()
    return float(logits.softmax(-1)[1] if len(logits) == 2 else logits.sigmoid()[0])


def test_vectors_are_learnt_from_scores(tmp_path, tiny_base, files) -> None:
    options = {"score": "label", "objective": "cosent", "pooling": "mean", "chunk_tokens": 200, "sizes": [8]}
    best = run(EmbedRecipe, tmp_path / "run", model=str(tiny_base), batch_size=32, **files, **options)
    assert best["eval_spearman"] > 0.5
    model = read_model(tmp_path / "run" / "model")
    assert model.info.kind == "embed" and model.info.task is None and not model.has_pooler
    assert -1 < model.info.settings["threshold"] < 1
    predictor = Predictor.open(tmp_path / "run" / "model")
    same, other = predictor.predict(["好净值荐", "好净值荐"], ["净值好", "差吵失望"])
    assert same.label == "similar" and other.label == "different"
    (alone,) = predictor.predict(["好净值荐"])
    np.testing.assert_allclose(alone.embedding, same.embedding, atol=1e-6)
    assert alone.to_dict().keys() == {"text", "embedding"}
    # What sentence-transformers reads says the same, besides the threshold.
    (tmp_path / "run" / "model" / "erya.json").unlink()
    foreign = Predictor.open(tmp_path / "run" / "model")
    assert foreign.kind.name == "embed" and foreign.task.options.threshold is None
    np.testing.assert_allclose(foreign.predict(["好净值荐"])[0].embedding, alone.embedding, atol=1e-6)


def test_vectors_are_learnt_from_bare_texts(tmp_path, tiny_base, files) -> None:
    texts = tmp_path / "texts.txt"
    rng = random.Random(3)
    texts.write_text("".join(review(rng, POSITIVE) + "\n" for _ in range(40)), encoding="utf-8")
    options = {"objective": "simcse", "score": "label", "pooling": "first_last_mean"}
    files = files | {"train_file": str(texts)}
    best = run(EmbedRecipe, tmp_path / "run", model=str(tiny_base), train={"epochs": 1}, **files, **options)
    assert "eval_spearman" in best and np.isfinite(best["eval_loss"])
    assert Predictor.open(tmp_path / "run" / "model").task.options.pooling == "first_last_mean"
    assert not (tmp_path / "run" / "model" / "modules.json").exists()


def test_vectors_are_learnt_from_pairs_and_negatives(tmp_path, tiny_base) -> None:
    rng = random.Random(5)
    for name, number in (("train", 60), ("dev", 20)):
        texts = [review(rng, POSITIVE) for _ in range(number)]
        rows = [
            {"text": text, "pair": "".join(sorted(text)), "negatives": [review(rng, NEGATIVE)]}
            for text in texts
        ]
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (tmp_path / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    files = {f"{name}_file": str(tmp_path / f"{name}.jsonl") for name in ("train", "dev")}
    options = {"objective": "in_batch", "temperature": 0.2, "query_prefix": "看"}
    training = {"learning_rate": 1e-3, "epochs": 2}
    best = run(
        EmbedRecipe,
        tmp_path / "run",
        model=str(tiny_base),
        batch_size=12,
        train=training,
        **files,
        **options,
    )
    assert best["eval_mrr@10"] > 0.4, "by chance 20 right and 20 wrong passages give 0.07"
    assert Predictor.open(tmp_path / "run" / "model").task.options.query_prefix == "看"


def test_memory_that_runs_out_never_cuts_a_batch_of_vectors(tmp_path, tiny_base, files, monkeypatch) -> None:
    def short(self, batch):
        raise MemoryError("no more memory")

    monkeypatch.setattr(EmbedLearner, "forward", short)
    with pytest.raises(TrainingError, match="another loss") as caught:
        run(EmbedRecipe, tmp_path / "run", model=str(tiny_base), score="label", **files)
    assert "chunk_tokens" in (caught.value.hint or "")


def test_a_width_the_model_lacks_is_refused(tmp_path, tiny_base, files) -> None:
    with pytest.raises(ConfigError, match="the vectors have 32 numbers"):
        run(EmbedRecipe, tmp_path / "run", model=str(tiny_base), score="label", sizes=[64], **files)
