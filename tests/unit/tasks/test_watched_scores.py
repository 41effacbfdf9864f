"""What a run is watched by is there, or its absence is found before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from erya.config import validate
from erya.errors import ConfigError
from erya.tasks.embed.recipe import EmbedMonitor, EmbedRecipe, EmbedTraining
from erya.tasks.finetune import finetune
from erya.tasks.match.recipe import MatchRecipe
from erya.train.protocols import Callback

NEEDED = {"model": "m", "train_file": "a.tsv", "dev_file": "b.tsv"}
TRAINING = {"epochs": 1, "threads": 1, "device": "cpu", "precision": "float32", "trackers": []}


def test_what_an_objective_cannot_give_is_refused_with_what_it_gives() -> None:
    train = {"monitor": {"key": "eval_accuracy"}}
    with pytest.raises(
        ConfigError, match=r"has no eval_accuracy: set train.monitor.key to eval_spearman, .*"
    ):
        validate(MatchRecipe, {**NEEDED, "objective": "regress", "train": train}, where="here")
    train = {"monitor": {"key": "eval_mean_squared_error", "mode": "min"}}
    with pytest.raises(ConfigError, match=r"no eval_mean_squared_error: .* eval_accuracy, .* or eval_loss"):
        validate(MatchRecipe, {**NEEDED, "train": train}, where="here")


def test_a_recipe_made_of_parts_is_watched_as_usual_too() -> None:
    recipe = EmbedRecipe(**NEEDED, objective="in_batch", train=EmbedTraining(epochs=9))
    assert (recipe.train.monitor.key, recipe.train.epochs) == ("eval_mrr@10", 9)
    monitor = EmbedMonitor(key="eval_pearson", patience=1)
    chosen = EmbedRecipe(**NEEDED, objective="in_batch", train=EmbedTraining(monitor=monitor))
    assert chosen.train.monitor == monitor


class Untrained(Callback):
    """Nothing may begin."""

    def on_start(self, start) -> None:  # type: ignore[no-untyped-def]
        raise AssertionError("training began")


def table(path: Path, columns: str, *rows: str) -> str:
    path.write_text("\n".join([columns, *rows]) + "\n", encoding="utf-8")
    return str(path)


def test_dev_pairs_with_scores_have_no_ranks(tiny_base, tmp_path: Path) -> None:
    values = {
        "model": str(tiny_base),
        "train_file": table(tmp_path / "t.tsv", "text\tpair", "好\t很好", "差\t很差", "吵\t很吵"),
        "dev_file": table(tmp_path / "d.tsv", "text\tpair\tscore", "好\t很好\t5", "差\t好\t1", "吵\t好\t0"),
        "objective": "in_batch",
        "train": TRAINING,
    }
    recipe = validate(EmbedRecipe, values, where="here")
    with pytest.raises(ConfigError, match="'eval_mrr@10', which this dev file does not give") as caught:
        finetune(recipe, tmp_path / "run", callbacks=[Untrained()], tell=lambda text: None)
    assert caught.value.hint == "set train.monitor.key to eval_loss, eval_spearman or eval_pearson"
    assert caught.value.where == values["dev_file"] and not (tmp_path / "run").exists()
    watched = {**values, "train": {**TRAINING, "monitor": {"key": "eval_pearson"}}}
    recipe = validate(EmbedRecipe, watched, where="here")
    best = finetune(recipe, tmp_path / "run", tell=lambda text: None).result.state.best_metrics
    assert "eval_pearson" in best


def test_classes_that_are_words_have_no_correlation(tiny_base, tmp_path: Path) -> None:
    rows = ("好\t很好\t是", "差\t好\t否", "吵\t好\t否", "吵\t很吵\t是")
    file = table(tmp_path / "t.tsv", "text\tpair\tlabel", *rows)
    train = {**TRAINING, "monitor": {"key": "eval_spearman"}}
    values = {"model": str(tiny_base), "train_file": file, "dev_file": file, "train": train}
    with pytest.raises(ConfigError, match="does not give") as caught:
        finetune(
            validate(MatchRecipe, values, where="here"),
            tmp_path / "run",
            callbacks=[Untrained()],
            tell=lambda text: None,
        )
    assert caught.value.hint == "set train.monitor.key to eval_loss, eval_accuracy or eval_macro_f1"
