"""The model in a checkpoint of a run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from fake_shards import write_shards

from erya.checkpoints.directory import load_masked_language_model, read_model
from erya.cli.main import run as erya
from erya.config import load_config
from erya.errors import CheckpointError
from erya.pretrain.merge import is_run, model_of_run
from erya.pretrain.recipe import PretrainRecipe
from erya.pretrain.run import pretrain
from erya.train.checkpoint_tensors import read_weights

SETTINGS = (
    "model.hidden_size=16",
    "model.intermediate_size=32",
    "model.max_positions=64",
    "data.max_length=48",
)
LENGTH = ("train.steps=4", "train.save_every_steps=2", "train.batch_tokens=300", "train.threads=1")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("merge")
    shards = write_shards(place / "shards")
    overrides = [*SETTINGS, *LENGTH, f"data.shards={shards}", "train.average={decay: 0.9}"]
    recipe = load_config(PretrainRecipe, Path(__file__).with_name("tiny.yaml"), overrides)
    pretrain(recipe, place / "run", tell=lambda text: None)
    return place / "run"


def weights(directory: Path) -> dict[str, torch.Tensor]:
    return dict(load_masked_language_model(read_model(directory)).state_dict())


def test_the_last_checkpoint_is_the_model_that_the_run_left(run: Path, tmp_path: Path) -> None:
    assert is_run(run) and not is_run(run / "model")
    assert model_of_run(run, tmp_path / "merged") == 4
    left, merged = weights(run / "model"), weights(tmp_path / "merged")
    assert left.keys() == merged.keys()
    assert all(torch.equal(left[name], merged[name]) for name in left)


def test_an_earlier_checkpoint_is_another_model(run: Path, tmp_path: Path) -> None:
    assert model_of_run(run, tmp_path / "merged", step=2) == 2
    stored = read_weights(run / "checkpoints" / "step-2")
    name = "encoder.embeddings.words.weight"
    (expected,) = [tensor for key, tensor in stored.items() if key.endswith(name)]
    assert torch.equal(weights(tmp_path / "merged")[name], expected)


def test_a_checkpoint_that_is_not_there_is_an_error(run: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint of step 3"):
        model_of_run(run, tmp_path / "merged", step=3)


def test_export_takes_a_run(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["export", str(run), "--to", "huggingface", "--step", "2", "--out", str(tmp_path / "hf")]
    assert erya(command) == 0
    assert (tmp_path / "hf" / "model.safetensors").is_file()
    assert erya(["export", str(run / "model"), *command[2:6], "--out", str(tmp_path / "other")]) == 2
    assert "--step goes with the directory of a run" in capsys.readouterr().err


def test_a_damaged_last_checkpoint_is_passed_over_and_said(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = shutil.copytree(run, tmp_path / "broken")
    (broken / "checkpoints" / "step-4" / "state.json").write_text("{")
    out = ["--to", "huggingface", "--out", str(tmp_path / "out"), "--json"]
    assert erya(["export", str(broken), *out]) == 0
    said = capsys.readouterr()
    assert "warning: the checkpoint of step 4 is damaged" in said.err
    assert json.loads(said.out)["step"] == 2
