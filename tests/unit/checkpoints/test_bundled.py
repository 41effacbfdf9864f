"""Models that come with the package: found by name wherever a model directory may stand."""

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch")

import erya
from erya import bundled
from erya.checkpoints.directory import read_model
from erya.cli import main
from erya.errors import CheckpointError
from erya.tokenizer.opening import open_tokenizer
from erya.tokenizer.wordpiece import Tokenizer


@pytest.fixture
def shelf(tmp_path, tiny_base, monkeypatch):
    """A package that bundles one model, `erya-tiny`, and a working directory with nothing in it."""
    place = tmp_path / "package"
    shutil.copytree(tiny_base, place / "erya-tiny")
    (place / "not-a-model").mkdir()
    monkeypatch.setattr(bundled, "_PLACE", place)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return place


def test_a_name_stands_for_the_directory(shelf):
    assert bundled.bundled_models() == {"erya-tiny": shelf / "erya-tiny"}
    assert read_model(Path("erya-tiny")).path == shelf / "erya-tiny"
    assert erya.open_encoder("erya-tiny").config == erya.open_encoder(shelf / "erya-tiny").config
    assert open_tokenizer(Path("erya-tiny")).hash == Tokenizer.open(Path("erya-tiny")).hash


def test_a_directory_of_that_name_goes_first(shelf):
    Path("erya-tiny").mkdir()
    assert bundled.located(Path("erya-tiny")) == Path("erya-tiny")
    with pytest.raises(CheckpointError, match="not a model directory"):
        read_model(Path("erya-tiny"))


def test_of_a_path_only_the_directory_is_meant(shelf):
    assert bundled.located(Path("models/erya-tiny")) == Path("models/erya-tiny")
    with pytest.raises(CheckpointError) as caught:
        read_model(Path("models/erya-tiny"))
    assert "come with Erya" not in str(caught.value)


def test_a_name_that_none_has(shelf):
    with pytest.raises(CheckpointError) as caught:
        read_model(Path("erya-huge"))
    assert "no such directory" in str(caught.value)
    assert "models that come with Erya: erya-tiny" in str(caught.value)


def test_models_lists_them(shelf, capsys):
    assert main.run(["models", "--json"]) == 0
    (row,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    model = read_model(shelf / "erya-tiny")
    assert (row["name"], row["path"]) == ("erya-tiny", str(shelf / "erya-tiny"))
    assert (row["layers"], row["width"]) == (
        model.encoder_config.num_layers,
        model.encoder_config.hidden_size,
    )
    assert row["vocabulary"] == model.tokenizer.vocab_size and row["parameters"] > 1000
    assert main.run(["info", "erya-tiny", "--json", "--no-probe"]) == 0
    assert json.loads(capsys.readouterr().out)["path"] == str(shelf / "erya-tiny")


def test_fine_tuning_by_name(shelf, reviews, capsys):
    files = ("--train", reviews.train, "--dev", reviews.dev, "--text", "text_a", "--out", "run")
    status = main.run(
        [*map(str, ("finetune", "classify", "--model", "erya-tiny", *files, "--json")), "train.steps=2"]
    )
    assert status == 0, capsys.readouterr().err
    assert "model: erya-tiny" in Path("run/recipe.yaml").read_text(encoding="utf-8")
    assert main.run(["predict", "run/model", "很好"]) == 0
