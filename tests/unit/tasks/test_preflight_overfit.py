"""The one-batch check says whether a network learns, and if not, why."""

import json

import pytest

pytest.importorskip("torch")

from erya.config import validate
from erya.errors import ConfigError
from erya.tasks.preflight.overfit import NUM_EXAMPLES, choose, has_fallen, overfit_one_batch
from erya.tasks.preflight.views import View
from erya.tasks.table import KINDS
from erya.train.optimisers.recipe import GREATEST_RATE

KIND = KINDS["classify"]


def judged(recipe):
    examples = list(KIND.examples(recipe.train_file, columns=recipe.columns, labelled=True))
    return overfit_one_batch(KIND, KIND.task_for(recipe, examples), recipe, examples, tell=lambda text: None)


@pytest.fixture
def recipe_with(classify_recipe, reviews):
    def build(rate, **changes):
        recipe = classify_recipe(train={"learning_rate": rate})
        return recipe.model_copy(update={"train_file": reviews.train, **changes})

    return build


def test_a_sound_batch_is_learnt(recipe_with):
    losses, said = judged(recipe_with(5e-3))
    assert said.level == "note" and has_fallen(losses)
    assert losses[0] == pytest.approx(0.69, abs=0.05) and losses[-1] < 0.05
    assert judged(recipe_with(5e-3))[0] == losses


@pytest.mark.parametrize(("rate", "which", "other"), [(1e-4, "low", "0.001"), (0.05, "high", "0.005")])
def test_a_wrong_rate_is_told_with_a_better_one(recipe_with, rate, which, other):
    losses, said = judged(recipe_with(rate))
    assert said.level == "warning" and not has_fallen(losses)
    assert f"too {which}: at {other}" in said.hint


def test_texts_of_unknown_characters_cannot_be_told_apart(recipe_with, tmp_path):
    path = tmp_path / "train.tsv"
    rows = (f"{'甲乙'[n % 2]}\t{chr(0x3400 + n)}" for n in range(20))
    path.write_text("label\ttext_a\n" + "\n".join(rows) + "\n", encoding="utf-8")
    _, said = judged(recipe_with(5e-3, train_file=path))
    assert said.level == "error" and "16 texts are 1 different inputs" in said.hint


def test_a_loss_that_is_no_number_is_told(recipe_with):
    losses, said = judged(recipe_with(1e30))
    assert said.level == "error" and f"not a number at step {len(losses)}" in said.what and len(losses) < 40


def test_the_batch_is_of_every_label_different_and_short():
    texts = [f"书{n}" for n in range(40)] + ["长" * 500] * 4 + ["好"] * 40
    labels = ["甲"] * 40 + ["乙"] * 4 + ["丙"] * 40
    views = [
        View((t,), (label,), label, (), "f", n)
        for n, (t, label) in enumerate(zip(texts, labels, strict=True))
    ]
    chosen = [views[place] for place in choose(views, seed=3)]
    assert 10 < len(chosen) <= NUM_EXAMPLES and len({view.texts for view in chosen}) == len(chosen)
    assert {view.labels[0] for view in chosen} == {"甲", "丙"}
    assert choose(views, seed=3) == choose(views, seed=3) != choose(views, seed=4)
    few = views[40:44] + views[:1]
    assert len(choose(few, seed=0)) == 2


ROWS = {
    "tag": [{"text": f"房间{c}大", "entities": [[2, 3, "A"]]} for c in "好差很非常小服务"],
    "answer": [
        {"question": "好", "context": f"房间{c}大", "answers": [{"text": c, "start": 2}]}
        for c in "好差很非常小"
    ],
    "match": [{"text": c, "pair": "好大", "label": n % 2} for n, c in enumerate("好差很非常小服务")],
    "embed": [{"text": c, "pair": "好大", "score": n % 2} for n, c in enumerate("好差很非常小服务")],
}


@pytest.mark.parametrize("kind", sorted(ROWS))
def test_every_kind_learns_a_batch(tiny_base, tmp_path, kind):
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS[kind]), encoding="utf-8")
    training = {"learning_rate": 5e-3, "device": "cpu", "threads": 1}
    values = {"model": str(tiny_base), "train_file": str(path), "dev_file": str(path), "train": training}
    recipe = validate(KINDS[kind].recipe, values, where="the test")
    examples = list(KINDS[kind].examples(path, columns=recipe.columns, labelled=True))
    task = KINDS[kind].task_for(recipe, examples)
    losses, said = overfit_one_batch(KINDS[kind], task, recipe, examples, tell=lambda text: None)
    assert said.level == "note" and len(losses) == 40


def test_a_rate_no_optimiser_takes_is_refused_before_anything_runs(classify_recipe):
    with pytest.raises(ConfigError, match=r"learning_rate.*less than"):
        classify_recipe(train={"learning_rate": 1e38})


def test_at_the_greatest_rate_the_check_still_says_what_is_wrong(recipe_with):
    losses, said = judged(recipe_with(GREATEST_RATE))
    assert said.level in ("warning", "error") and "one batch" in said.what and losses
