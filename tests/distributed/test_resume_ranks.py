"""Runs on two ranks: killed, interrupted, and gone on with by another number of ranks."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
from toy_ranks import Run, finish, losses, start

from erya.train.checkpoint_tensors import read_weights

SHORT: Run = {"precision": "float32", "learning_rate": 1e-3, "save_every_steps": 4, "eval_every_steps": 50}


def run_in(directory: Path, steps: int, **more: object) -> Run:
    return {"directory": str(directory), "steps": steps, **SHORT, **more}


def check_same_weights(one: Path, other: Path, step: int) -> None:
    first, second = (read_weights(each / "checkpoints" / f"step-{step}") for each in (one, other))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_rank_that_dies_makes_the_others_end_and_all_go_on_to_the_same_bits(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    finish(run_in(whole, 12, dropout=0.1))
    said = finish(run_in(broken, 12, dropout=0.1, die=6), restarts=1)
    assert (broken / "died").exists()
    assert said.count("another process of this run is gone") <= 1
    assert losses(broken) == losses(whole)
    check_same_weights(broken, whole, 12)


@pytest.mark.slow
def test_one_rank_two_ranks_one_rank(tmp_path: Path) -> None:
    straight, changed = tmp_path / "straight", tmp_path / "changed"
    how = {"schedule": "constant", "warmup_steps": 0}
    finish(run_in(straight, 9, **how), ranks=1)
    finish(run_in(changed, 3, **how), ranks=1)
    said = finish(run_in(changed, 6, **how, parallel={"kind": "fsdp"}))
    assert "ranks 1 -> 2" in said
    finish(run_in(changed, 9, **how), ranks=1)
    assert losses(changed) == pytest.approx(losses(straight), rel=1e-5)


def test_a_signal_to_one_rank_ends_all_with_a_checkpoint(tmp_path: Path) -> None:
    child = start([run_in(tmp_path, 400, slow=0.02)])
    wait_for_step(tmp_path, 3, child)
    os.kill(int((tmp_path / "rank-1").read_text()), signal.SIGTERM)
    said, _ = child.communicate(timeout=60)
    assert child.returncode == 0, said
    (saved,) = (tmp_path / "checkpoints").iterdir()
    state = json.loads((saved / "state.json").read_text())["state"]
    assert 3 <= state["step"] == max(losses(tmp_path)) < 400


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_killed_at_random_moments(seed: int, tmp_path: Path) -> None:
    """Five kills of both ranks a seed, each soon after a random step that the run had not reached before."""
    whole, broken, rng = tmp_path / "whole", tmp_path / "broken", random.Random(seed)
    finish(run_in(whole, 40, dropout=0.1))
    for step in sorted(rng.sample(range(1, 33), 5)):
        child = start([run_in(broken, 40, dropout=0.1, slow=0.05)])
        reached = max(losses(broken), default=0) if (broken / "metrics.jsonl").exists() else 0
        wait_for_step(broken, max(step, reached + 1), child)
        time.sleep(rng.random() * 0.1)
        os.killpg(child.pid, signal.SIGKILL)
        for rank in (0, 1):  # before anybody waits for their output: they would go on to the end meanwhile
            kill(int((broken / f"rank-{rank}").read_text()))
        child.communicate()
        assert max(losses(broken)) < 40, "killed amid the run"
    finish(run_in(broken, 40, dropout=0.1))
    assert losses(broken) == losses(whole)
    check_same_weights(broken, whole, 40)


def kill(process: int) -> None:
    """torchrun gives its workers sessions of their own, and they outlive it."""
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return


def wait_for_step(directory: Path, step: int, child: subprocess.Popen[str]) -> None:
    while not (directory / "metrics.jsonl").exists() or max(losses(directory), default=0) < step:
        assert child.poll() is None, child.communicate()[0]
        time.sleep(0.01)
