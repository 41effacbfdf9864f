"""Craft from a recipe to a model directory: every switch trains, and what is saved is a plain model."""

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from erya.errors import ConfigError  # noqa: E402
from erya.tasks.finetune import finetune  # noqa: E402
from erya.tasks.predictor import Predictor  # noqa: E402

SWITCHES = {
    "r_drop": {"r_drop": {"weight": 0.5}},
    "fgm": {"adversarial": {"epsilon": 0.05}},
    "pgd": {"adversarial": {"epsilon": 0.05, "steps": 2}},
    "mixup": {"mixup": {"alpha": 0.4}},
    "smoothing": {"label_smoothing": 0.1},
    "word_dropout": {"word_dropout": {"prob": 0.2}},
    "samples": {"dropout_samples": 3},
    "frozen": {"freeze": {"embeddings": True, "layers": 1}},
    "cached": {"freeze": "all", "cached_states": "float32"},
    "lora": {"lora": {"rank": 4, "alpha": 8.0, "targets": ["qkv", "feedforward"]}},
}


@pytest.mark.parametrize("name", SWITCHES)
def test_trains_and_saves_a_plain_model(name, classify_recipe, tmp_path):
    recipe = classify_recipe(craft=SWITCHES[name], classifier_dropout_prob=0.1, train={"epochs": 3})
    done = finetune(recipe, tmp_path / "run", tell=lambda text: None)
    scores = json.loads((done.model / "erya.json").read_text("utf-8"))["provenance"]["dev_scores"]
    assert scores["eval_accuracy"] >= (0.5 if name in ("cached", "lora", "frozen") else 0.7)
    predictor = Predictor.open(done.model, device="cpu")
    examples = list(predictor.kind.examples(Path(recipe.dev_file), columns=recipe.columns, labelled=True))
    answers, _ = predictor.predict_examples(examples)
    right = sum(answer.label == example.label for answer, example in zip(answers, examples, strict=True))
    assert right / len(examples) == pytest.approx(scores["eval_accuracy"], abs=0.03)


def test_a_switch_that_does_not_fit_is_refused(classify_recipe, tmp_path):
    recipe = classify_recipe(craft={"dropout_samples": 2}, classifier_dropout_prob=0.0)
    with pytest.raises(ConfigError, match="classifier_dropout_prob"):
        finetune(recipe, tmp_path / "run", tell=lambda text: None)
