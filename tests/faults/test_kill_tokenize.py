"""Shards of a job killed at any moment and run again are, byte for byte, those of one left alone."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import toy_tokenizing


def checksums(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documents, and in `whole` the shards of a run that was left alone."""
    directory = tmp_path_factory.mktemp("whole")
    toy_tokenizing.prepare(directory)
    toy_tokenizing.run(directory, directory / "whole", workers=1)
    return directory


def start_child(directory: Path, out: Path) -> subprocess.Popen[bytes]:
    # A group of its own, so that the workers can be killed with it, as a machine that goes down does.
    command = [sys.executable, toy_tokenizing.__file__, str(directory), str(out)]
    return subprocess.Popen(command, start_new_session=True)


def shards_done(out: Path) -> int:
    return len(list(out.with_name(out.name + ".unfinished").glob("shards/*.json")))


def kill_after(child: subprocess.Popen[bytes], out: Path, shards: int, *, group: bool) -> bool:
    """Kill it once so many more shards are done; False if it was done before."""
    goal = shards_done(out) + shards
    while child.poll() is None and shards_done(out) < goal:
        time.sleep(0.001)
    time.sleep(random.random() * 0.02)
    if child.poll() is not None:
        return False
    if group:
        os.killpg(child.pid, signal.SIGKILL)
    else:  # the workers have to notice by themselves
        child.kill()
    child.wait()
    return True


def finish(directory: Path, out: Path) -> None:
    """Run until the end, if a killed run has not just reached it."""
    if not (out / "manifest.json").exists():
        toy_tokenizing.run(directory, out, workers=1)
    assert checksums(out) == checksums(directory / "whole")


def test_killed_once_and_run_again(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert kill_after(start_child(whole, out), out, random.randint(1, 15), group=False)
    assert not out.exists() and shards_done(out)
    finish(whole, out)
    assert not (tmp_path / "out.unfinished").exists()


@pytest.mark.slow
def test_killed_twenty_times(whole: Path, tmp_path: Path) -> None:
    rng, out, kills = random.Random(), tmp_path / "out", 0
    while kills < 20 and not out.exists():
        kills += kill_after(start_child(whole, out), out, rng.randint(0, 2), group=rng.random() < 0.5)
    assert kills >= 10
    finish(whole, out)
