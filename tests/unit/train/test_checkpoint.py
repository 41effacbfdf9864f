import errno
import os
import shutil
from pathlib import Path

import pytest
import torch
from toy_model import ToyTrainable, toy_recipe, toy_run

from erya.errors import CheckpointError, StorageError
from erya.train.checkpoint import Checkpoints
from erya.train.optimisers.build import build_optimiser
from erya.train.protocols import Callback
from erya.train.state import RunState


class Messages(Callback):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def on_message(self, text: str) -> None:
        self.texts.append(text)


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["__0_0.distcp", ".metadata", "state.json", "SHA256SUMS"])
def test_a_damaged_checkpoint_is_shown_and_the_one_before_is_used(name: str, tmp_path: Path) -> None:
    toy_run(tmp_path)
    expected = (tmp_path / "checkpoints" / "step-20" / "__0_0.distcp").read_bytes()
    damage(tmp_path / "checkpoints" / "step-20" / name)
    messages = Messages()
    assert toy_run(tmp_path, callbacks=[messages]).state.step == 20
    assert len(messages.texts) == 1
    assert "step 20 is damaged" in messages.texts[0]
    assert (tmp_path / "checkpoints" / "step-20" / "__0_0.distcp").read_bytes() == expected
    assert (tmp_path / "checkpoints" / "damaged-step-20").is_dir()


def test_a_missing_file_is_damage(tmp_path: Path) -> None:
    toy_run(tmp_path)
    (tmp_path / "checkpoints" / "step-20" / "__0_0.distcp").unlink()
    messages = Messages()
    toy_run(tmp_path, callbacks=[messages])
    assert "damaged" in messages.texts[0]


def test_when_all_are_damaged_nothing_is_started_over_in_silence(tmp_path: Path) -> None:
    toy_run(tmp_path)
    for step in (15, 20):
        damage(tmp_path / "checkpoints" / f"step-{step}" / "__0_0.distcp")
    for _ in range(2):
        with pytest.raises(CheckpointError, match="no checkpoint of this run is whole"):
            toy_run(tmp_path)


def test_leftovers_of_a_killed_write_are_removed(tmp_path: Path) -> None:
    toy_run(tmp_path)
    leftover = tmp_path / "checkpoints" / ".step-25.999.partial"
    leftover.mkdir()
    toy_run(tmp_path)
    assert not leftover.exists()


def test_another_rank_may_make_the_directory_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remove = shutil.rmtree

    def overtaken(path: Path, **options: bool) -> None:
        remove(path, **options)
        if path.name == ".step-5.partial" and not path.with_name("step-5").exists():
            path.mkdir(parents=True)

    monkeypatch.setattr("erya.train.checkpoint.shutil.rmtree", overtaken)
    assert toy_run(tmp_path, recipe=toy_recipe(steps=5)).state.step == 5
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-5"]


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy_run(tmp_path, recipe=toy_recipe(steps=5))
    real_fsync = os.fsync

    def full(descriptor: int) -> None:
        if "partial" in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            raise OSError(errno.ENOSPC, "No space left on device")
        real_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    checkpoints, trainable = Checkpoints(tmp_path / "checkpoints", keep=1), ToyTrainable()
    optimiser = build_optimiser(trainable.module, toy_recipe().train)
    checkpoints.save(trainable.module, optimiser, RunState(step=9), identity={})
    with pytest.raises(StorageError, match="disk is full"):
        checkpoints.settle(wait=True)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-5"]
    assert checkpoints.damage(5) is None


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    toy_run(tmp_path)
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=1)
    with pytest.raises(CheckpointError, match="not a checkpoint of this model"):
        checkpoints.load(20, torch.nn.Linear(2, 2), None)
