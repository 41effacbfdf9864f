import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from fake_shards import write_shards

from erya.checkpoints.directory import load_masked_language_model, read_model
from erya.cli.main import run as erya
from erya.config import load_config
from erya.pretrain.recipe import PretrainRecipe
from erya.pretrain.run import pretrain

TINY = Path(__file__).with_name("tiny.yaml")
SMALLER = [
    "model.hidden_size=16",
    "model.intermediate_size=32",
    "model.max_positions=64",
    "data.max_length=48",
    "train.steps=4",
    "train.batch_tokens=300",
    "train.eval_every_steps=1",
    "train.threads=1",
    "train.precision=float32",
]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(tmp_path_factory.mktemp("data") / "shards")


def recipe(shards: Path) -> PretrainRecipe:
    return load_config(PretrainRecipe, TINY, [*SMALLER, f"data.shards={shards}"])


def lines(out: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def weights(model: Path) -> dict[str, torch.Tensor]:
    return load_masked_language_model(read_model(model)).state_dict()


def test_a_probe_sees_the_weights_of_its_step_and_changes_nothing(shards: Path, tmp_path: Path) -> None:
    seen: list[dict[str, torch.Tensor]] = []

    def probe(model: Path) -> Mapping[str, float]:
        seen.append(weights(model))
        torch.manual_seed(7)
        torch.rand(5)
        return {"eval_probe_accuracy": float(len(seen))}

    plain = pretrain(recipe(shards), tmp_path / "plain", tell=lambda text: None)
    probed = pretrain(recipe(shards), tmp_path / "probed", tell=lambda text: None, probe=probe, probe_every=2)
    assert plain.model is not None and probed.model is not None
    told = {
        line["step"]: line["eval_probe_accuracy"]
        for line in lines(tmp_path / "probed")
        if "eval_probe_accuracy" in line
    }
    assert told == {2: 1.0, 4: 2.0}
    last = weights(probed.model)
    assert all(torch.equal(last[name], value) for name, value in seen[-1].items())
    assert not all(torch.equal(seen[0][name], value) for name, value in last.items())
    assert all(torch.equal(last[name], value) for name, value in weights(plain.model).items())


@pytest.fixture
def labelled(tmp_path: Path) -> tuple[str, str]:
    rows = [f"{i % 2}\t{'好的很' if i % 2 else '坏不行'}{i}" for i in range(24)]
    paths = tmp_path / "train.tsv", tmp_path / "dev.tsv"
    for path, part in zip(paths, (rows[:16], rows[16:]), strict=True):
        path.write_text("\n".join(["label\ttext", *part]) + "\n", encoding="utf-8")
    return str(paths[0]), str(paths[1])


def test_the_command_fine_tunes_and_says_what_random_weights_reach(
    shards: Path, labelled: tuple[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    overrides = [*SMALLER, f"data.shards={shards}", "train.eval_every_steps=4"]
    assert erya(["pretrain", str(TINY), *overrides, "--out", str(out), "--probe", *labelled]) == 0
    said = " ".join(capfd.readouterr().err.split())
    assert "probe: 16 training and 8 dev texts" in said
    assert "probe: random weights reach accuracy" in said
    assert 0 <= lines(out)[-1]["eval_probe_accuracy"] <= 1


def test_files_of_a_probe_are_looked_at_before_training(
    shards: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.tsv"
    bad.write_text("text_a\tlabel\n好\t1\n", encoding="utf-8")
    out = tmp_path / "out"
    overrides = [*SMALLER, f"data.shards={shards}"]
    assert erya(["pretrain", str(TINY), *overrides, "--out", str(out), "--probe", str(bad), str(bad)]) == 2
    assert "bad.tsv" in capfd.readouterr().err and not out.exists()
