"""A disk that fills up ends the run with a sentence and leaves the checkpoint before."""

import json
import subprocess
import sys
from pathlib import Path

import toy_pretraining

CHILD = """
import resource, sys
from pathlib import Path
import toy_pretraining
from erya.errors import StorageError
from erya.train.protocols import Callback

def allow(size):
    # The kernel refuses to write further, as a full disk does.
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

class FillAtCheckpoint(Callback):
    def on_checkpoint(self, step, directory):
        if step == 14:
            allow((directory / "__0_0.distcp").stat().st_size // 2)

class FillAtStep(Callback):
    def on_step(self, report):
        if report.step == 16:
            allow((Path(sys.argv[1]) / "metrics.jsonl").stat().st_size + 10)

Fill = {"checkpoint": FillAtCheckpoint, "record": FillAtStep}[sys.argv[2]]
try:
    toy_pretraining.run(Path(sys.argv[1]), Fill())
except StorageError as error:
    print(error)
    sys.exit(2)
"""


def run_child(directory: Path, where: str) -> str:
    """Run until the disk is full; return what is said."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(directory), where],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "cannot write" in done.stdout
    return done.stdout


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    assert "step-21" in run_child(tmp_path, "checkpoint")
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["step-14", "step-7"]
    assert toy_pretraining.run(tmp_path).state.step == 60


def test_a_record_that_cannot_be_written_is_cut_back_when_the_run_goes_on(tmp_path: Path) -> None:
    assert "metrics.jsonl" in run_child(tmp_path, "record")
    assert toy_pretraining.run(tmp_path).state.step == 60
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss" in line] == list(range(1, 61))
