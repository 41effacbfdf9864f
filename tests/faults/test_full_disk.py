"""A disk that fills up during a checkpoint ends the run with a sentence and leaves the checkpoint before."""

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

class Fill(Callback):
    def on_checkpoint(self, step, directory):
        size = (directory / "training.pt").stat().st_size
        if step == 14:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, size // 2))

try:
    toy_pretraining.run(Path(sys.argv[1]), Fill())
except StorageError as error:
    print(error)
    sys.exit(2)
"""


def test_a_write_that_fails_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    """RLIMIT_FSIZE makes the kernel refuse to write further, as a full disk does."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path)],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "cannot write" in done.stdout
    assert "step-21" in done.stdout
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["step-14", "step-7"]
    assert toy_pretraining.run(tmp_path).state.step == 60
