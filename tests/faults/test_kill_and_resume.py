"""A run killed at any moment and resumed equals the run that was left alone, to the last bit."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import toy_pretraining

from erya.train.checkpoint_tensors import read_weights


def series(directory: Path) -> list[dict[str, float]]:
    """Everything in metrics.jsonl that does not depend on the clock."""
    lines = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
    clock = {"tokens_per_s", "data_wait_s"}
    return [{key: value for key, value in line.items() if key not in clock} for line in lines]


def weights(directory: Path) -> dict[str, torch.Tensor]:
    return read_weights(directory / "checkpoints" / "step-60")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("whole")
    toy_pretraining.run(directory)
    return directory


def start_child(directory: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, toy_pretraining.__file__, str(directory)])


def wait_for_steps(directory: Path, count: int, child: subprocess.Popen[bytes]) -> None:
    while count_lines(directory) < count:
        assert child.poll() is None, "the child ended before it was killed"
        time.sleep(0.001)


def count_lines(directory: Path) -> int:
    metrics = directory / "metrics.jsonl"
    return metrics.read_bytes().count(b"\n") if metrics.exists() else 0


def kill(child: subprocess.Popen[bytes]) -> None:
    child.send_signal(signal.SIGKILL)
    child.wait()


def check_equal(directory: Path, whole: Path) -> None:
    assert series(directory) == series(whole)
    expected = weights(whole)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in weights(directory).items())


def test_the_toy_drops_out_and_learns(whole: Path) -> None:
    losses = [line["loss"] for line in series(whole) if "loss" in line]
    assert len(losses) == 60
    assert len(set(losses)) == 60


def test_killed_once_and_resumed(tmp_path: Path, whole: Path) -> None:
    rng = random.Random()
    child = start_child(tmp_path)
    wait_for_steps(tmp_path, rng.randint(1, 50), child)
    time.sleep(rng.random() * 0.03)
    kill(child)
    toy_pretraining.run(tmp_path)
    check_equal(tmp_path, whole)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_killed_again_and_again(seed: int, tmp_path: Path, whole: Path) -> None:
    """Five kills a seed, each at a random step that the run had not reached before, or soon after it."""
    rng, kills = random.Random(seed), 0
    for step in sorted(rng.sample(range(1, 51), 5)):
        child = start_child(tmp_path)
        wait_for_steps(tmp_path, max(step, count_lines(tmp_path) + 1), child)
        time.sleep(rng.random() * 0.03)
        kill(child)
        kills += child.returncode == -signal.SIGKILL
        if child.returncode == 0:
            break
    assert kills >= 3
    toy_pretraining.run(tmp_path)
    check_equal(tmp_path, whole)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_killed_while_a_checkpoint_is_written(seed: int, tmp_path: Path, whole: Path) -> None:
    child = start_child(tmp_path)
    directory = tmp_path / "checkpoints"
    wait_for_steps(tmp_path, 7 * random.Random(seed).randint(1, 7) - 1, child)
    deadline = time.monotonic() + 5
    while not list(directory.glob(".step-*")) and time.monotonic() < deadline:
        pass
    kill(child)
    toy_pretraining.run(tmp_path)
    check_equal(tmp_path, whole)


def test_another_micro_batch_sees_the_same_batches(tmp_path: Path, whole: Path) -> None:
    """Dropout is drawn in another order then, so the losses differ, but not the tokens or the targets."""
    recipe = toy_pretraining.RECIPE.model_copy(update={"micro_batch_tokens": None, "steps": 5})
    toy_pretraining.run(tmp_path, recipe=recipe)
    tokens = [line["tokens"] for line in series(tmp_path) if "tokens" in line]
    assert tokens == [line["tokens"] for line in series(whole) if "tokens" in line][:5]
