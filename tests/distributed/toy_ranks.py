"""Toy runs on several ranks: `torchrun ... toy_ranks.py DIRECTORY KEY=VALUE...` is one rank."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path += [str(TESTS / "unit" / "train"), str(TESTS / "unit" / "pretrain"), str(TESTS / "faults")]


def launch(
    directory: Path, *overrides: str, ranks: int = 2, restarts: int = 0, wait: bool = True
) -> subprocess.Popen[str]:
    """Start `ranks` processes of this file under torchrun, and by default wait for them."""
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={ranks}"]
    command += ["--rdzv-backend=c10d", f"--rdzv-endpoint=localhost:{free_port()}"]
    command += [f"--max-restarts={restarts}", "--monitor-interval=0.1", __file__, str(directory), *overrides]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )
    if wait:
        child.communicate()
    return child


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port: int = probe.getsockname()[1]
    return port


def main(directory: Path, overrides: list[str]) -> None:
    """One rank of a toy pre-training run. `die=STEP` kills rank 1 after that step, once."""
    import toy_pretraining
    import yaml

    from erya.train.protocols import Callback, StepReport

    settings = {key: yaml.safe_load(value) for key, _, value in (text.partition("=") for text in overrides)}
    die, dropout = settings.pop("die", None), settings.pop("dropout", 0.0)

    class Die(Callback):
        def on_step(self, report: StepReport) -> None:
            mark = directory / "died"
            if report.step == die and not mark.exists():
                mark.touch()
                os.kill(int((directory / "rank-1").read_text()), signal.SIGKILL)
                time.sleep(0.1)

    if die is not None and os.environ.get("RANK", "0") == "1":
        directory.mkdir(exist_ok=True)
        (directory / "rank-1").write_text(str(os.getpid()))
    recipe = type(toy_pretraining.RECIPE).model_validate(toy_pretraining.RECIPE.model_dump() | settings)
    toy_pretraining.run(directory, Die(), recipe=recipe, dropout=dropout)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
