"""A run with training craft that is continued goes on as one that was never stopped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

from erya.errors import ConfigError
from erya.tasks.finetune import finetune

# All that is drawn, all that is kept between steps, and parameters that no model directory has.
CRAFT = {
    "lora": {"rank": 3, "dropout_prob": 0.1},
    "mixup": {"alpha": 0.5},
    "word_dropout": {"prob": 0.2},
    "dropout_samples": 2,
    "hidden_dropout_prob": 0.1,
}
TRAIN = {"schedule": "constant", "warmup_ratio": 0.0, "layer_decay": 0.8, "average": {"decay": 0.9}}


def losses(directory: Path) -> dict[int, float]:
    lines = map(json.loads, (directory / "metrics.jsonl").read_text("utf-8").splitlines())
    return {line["step"]: line["loss"] for line in lines if "loss" in line}


def silent(text: str) -> None:
    pass


def test_a_continued_run_learns_the_same(classify_recipe, tmp_path) -> None:
    def recipe(epochs: int, **changes: object) -> object:
        craft = CRAFT | changes
        return classify_recipe(craft=craft, classifier_dropout_prob=0.1, train={**TRAIN, "epochs": epochs})

    whole = finetune(recipe(2), tmp_path / "whole", tell=silent)
    finetune(recipe(1), tmp_path / "parts", tell=silent)
    parts = finetune(recipe(2), tmp_path / "parts", tell=silent)
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    weights = [(done.model / "model.safetensors").read_bytes() for done in (whole, parts)]
    assert weights[0] == weights[1]
    with pytest.raises(ConfigError, match=r"craft\.lora\.rank was 3, is 4"):
        finetune(recipe(2, lora={"rank": 4}), tmp_path / "parts", tell=silent)
