"""Broken shards, checkpoints and memory under `erya pretrain`: a sentence, and a run that can go on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

sys.path += [str(Path(__file__).parents[1] / "unit" / "pretrain")]

from fake_shards import write_shards

from erya.cli import info
from erya.cli.main import run as erya
from erya.train.checkpoint import _sums

RECIPE = Path(__file__).parents[1] / "unit" / "pretrain" / "tiny.yaml"
SMALL = [
    "model.hidden_size=16",
    "model.intermediate_size=32",
    "model.max_positions=64",
    "data.max_length=48",
    "train.batch_tokens=300",
    "train.eval_every_steps=100",
    "train.save_every_steps=2",
    "train.threads=1",
    "train.precision=float32",
    "evaluation={baseline: false, max_tokens: 500}",
]
Damage = Callable[[Path], object]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(tmp_path_factory.mktemp("data") / "shards")


@pytest.fixture(scope="module")
def begun(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with checkpoints of steps 2 and 4."""
    out = tmp_path_factory.mktemp("runs") / "begun"
    assert erya(command(out, shards, "train.steps=4")) == 0
    return out


def command(out: Path, shards: Path, *more: str) -> list[str]:
    return ["pretrain", str(RECIPE), *SMALL, f"data.shards={shards}", *more, "--out", str(out)]


def said_of(capsys: pytest.CaptureFixture[str], arguments: list[str], *, status: int) -> str:
    capsys.readouterr()
    assert erya(arguments) == status
    said = capsys.readouterr().err
    assert "Traceback" not in said and "bug" not in said
    return said


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def change_manifest(directory: Path, **values: object) -> None:
    path = directory / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda made: cut(made / "train-00000" / "tokens.bin"), "bytes, the manifest says"),
        (lambda made: cut(made / "heldout-00000" / "tokens.bin"), "bytes, the manifest says"),
        (lambda made: (made / "train-00001" / "word_starts.bits").unlink(), "a file of the shard is missing"),
        (lambda made: change_manifest(made, format_version=2), "another version of erya wrote these shards"),
        (lambda made: change_manifest(made, tokenizer_hash="0"), "made with another vocabulary"),
        (lambda made: change_manifest(made, shards=[]), "the shards give no sequence to train on"),
        (lambda made: cut(made / "manifest.json"), "damaged or foreign"),
        (lambda made: shutil.rmtree(made / "tokenizer"), "no such directory"),
    ],
    ids=["cut", "held-out-cut", "bits", "version", "vocabulary", "empty", "manifest", "tokenizer"],
)
def test_broken_shards_are_named(
    damage: Damage, words: str, shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = shutil.copytree(shards, tmp_path / "broken")
    damage(broken)
    said = said_of(capsys, command(tmp_path / "out", broken), status=2)
    assert words in said and f"where: {broken}" in said and "to do: " in said
    assert not (tmp_path / "out").exists()


def test_info_of_broken_shards_says_so(shards: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(shards, tmp_path / "broken")
    assert info.describe(broken)["damage"] is None
    cut(broken / "train-00000" / "tokens.bin")
    assert "the manifest says" in info.describe(broken)["damage"]


def empty(checkpoint: Path) -> None:
    shutil.rmtree(checkpoint)
    checkpoint.mkdir()


HALF_WRITTEN: dict[str, Damage] = {
    "empty": empty,
    "no tensors": lambda made: (made / "__0_0.distcp").unlink(),
    "cut tensors": lambda made: cut(made / "__0_0.distcp"),
    "no contents": lambda made: (made / ".metadata").unlink(),
    "garbage": lambda made: (made / ".metadata").write_bytes(b"garbage"),
    "no state": lambda made: (made / "state.json").unlink(),
    "no sums": lambda made: (made / "SHA256SUMS").unlink(),
    "binary sums": lambda made: (made / "SHA256SUMS").write_bytes(b"\xff\xfe"),
}


@pytest.mark.parametrize("kind", HALF_WRITTEN)
def test_a_half_written_checkpoint_is_left_for_the_one_before(
    kind: str, shards: Path, begun: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = shutil.copytree(begun, tmp_path / "out")
    HALF_WRITTEN[kind](out / "checkpoints" / "step-4")
    if kind != "cut tensors":  # a file of weights is not read through
        found = info.describe(out)
        assert (found["checkpoints"], found["damaged_checkpoints"]) == ([2], ["step-4"])
    said = said_of(capsys, command(out, shards, "train.steps=4"), status=0)
    assert "the checkpoint of step 4 is damaged" in said and "moved to damaged-step-4" in said
    assert "Errno" not in said and "going on from step 2" in said
    assert _losses(out) == _losses(begun)
    assert info.describe(out)["damaged_checkpoints"] == ["damaged-step-4"]


def _losses(out: Path) -> list[float]:
    lines = map(json.loads, (out / "metrics.jsonl").read_text().splitlines())
    return [line["loss"] for line in lines if "loss" in line]


def test_when_all_checkpoints_are_damaged_nothing_is_thrown_away(
    shards: Path, begun: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = shutil.copytree(begun, tmp_path / "out")
    for checkpoint in (out / "checkpoints").iterdir():
        cut(checkpoint / "__0_0.distcp")
    for _ in range(2):
        said = said_of(capsys, command(out, shards, "train.steps=4"), status=2)
        assert "no checkpoint of this run is whole" in said and "--no-resume" in said
    names = {path.name for path in (out / "checkpoints").iterdir()}
    assert names == {"damaged-step-2", "damaged-step-4"}
    said_of(capsys, [*command(out, shards, "train.steps=4"), "--no-resume"], status=0)
    assert (out / "previous-1" / "checkpoints" / "damaged-step-4" / "__0_0.distcp").is_file()


def test_a_checkpoint_of_another_version_is_said_to_be_one(
    shards: Path, begun: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = shutil.copytree(begun, tmp_path / "out")
    checkpoint = out / "checkpoints" / "step-4"
    for content in ({"state": {"step": 4, "newer": 1}, "identity": {}}, {"state": {}, "identity": {}}, []):
        (checkpoint / "state.json").write_text(json.dumps(content), encoding="utf-8")
        (checkpoint / "SHA256SUMS").write_text(_sums(checkpoint), encoding="utf-8")
        said = said_of(capsys, command(out, shards, "train.steps=4"), status=2)
        assert "written by another version of erya" in said and "to do: go on with that version" in said


def test_another_models_recipe_names_what_differs(
    shards: Path, begun: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["train.steps=4", "model.num_layers=3", "masking.prob=0.3"]
    said = said_of(capsys, command(begun, shards, *more), status=2)
    assert "masking.prob was 0.15, is 0.3; model.num_layers was 2, is 3" in said and "--no-resume" in said


def test_a_rate_that_diverges_ends_with_the_cause_and_goes_on_with_a_smaller_one(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, steps = tmp_path / "out", "train.steps=30"
    huge = command(out, shards, steps, "train.learning_rate=1e30", "train.save_every_steps=100")
    said = said_of(capsys, huge, status=2)
    assert "10 steps in a row were skipped" in said and "there is no checkpoint yet" in said
    assert "starts from the beginning" in info.describe(out)["status"]
    small = command(out, shards, steps, "train.learning_rate=1e-3", "train.save_every_steps=10")
    said_of(capsys, small, status=0)
    huge = command(out, shards, "train.steps=60", "train.learning_rate=1e30", "train.save_every_steps=100")
    said = said_of(capsys, huge, status=2)
    assert "the last checkpoint is whole" in said and "train.learning_rate was 0.001" in said
    said = said_of(capsys, command(out, shards, "train.steps=60", "train.learning_rate=1e-3"), status=0)
    assert "going on from step 30" in said


def test_memory_of_the_processor_that_runs_out_halves_the_pieces(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from erya.pretrain.objectives.masked import MaskedTraining

    forward = MaskedTraining.forward

    def tight(self: MaskedTraining, batch: object, **more: object) -> object:
        if batch.ids.numel() > 100 and self.training:  # type: ignore[attr-defined]
            raise RuntimeError(
                "[x] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."
            )
        return forward(self, batch, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(MaskedTraining, "forward", tight)
    said = said_of(capsys, command(tmp_path / "out", shards, "train.steps=2"), status=0)
    assert "do not fit into memory, so from step 1 on they have" in said and "allocate 9 bytes" in said


def test_memory_that_runs_out_elsewhere_is_no_bug(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from erya.train import checkpoint

    def refuse(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.\nMore advice")

    monkeypatch.setattr(checkpoint, "copy_tensors", refuse)
    said = said_of(capsys, command(tmp_path / "out", shards, "train.steps=4"), status=2)
    assert "there is not enough memory: CUDA out of memory." in said and "More advice" not in said


@pytest.mark.slow
def test_fewer_sequences_than_ranks(tmp_path: Path) -> None:
    made = write_shards(tmp_path / "shards")
    launch = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=3",
        "-m",
        "erya",
    ]
    arguments = command(tmp_path / "out", made, "train.steps=2", "train.batch_tokens=50")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([*launch, *arguments], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("sequences for 3 processes, so some compute nothing") == 1
