"""Toy runs on several ranks: `torchrun ... toy_ranks.py RUNS` is one rank; RUNS says in JSON what to do."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
sys.path += [str(TESTS / "faults")]

Run = dict[str, Any]
"""`directory`, keys of the training recipe, and `dropout`, `die` (rank 1 is killed after that step, once) or
`slow` (seconds a step is made to last)."""

_OWN = ("directory", "dropout", "die", "slow")


def start(runs: Sequence[Run], *, ranks: int = 2, restarts: int = 0) -> subprocess.Popen[str]:
    """Start torchrun with `ranks` processes that do `runs`, one after the other."""
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={ranks}"]
    command += ["--rdzv-backend=c10d", f"--rdzv-endpoint=localhost:{free_port()}"]
    command += [f"--max-restarts={restarts}", "--monitor-interval=0.1", __file__, json.dumps(runs)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        start_new_session=True,
    )


def finish(*runs: Run, ranks: int = 2, restarts: int = 0) -> str:
    """Do `runs` to their end; what was said."""
    child = start(runs, ranks=ranks, restarts=restarts)
    said, _ = child.communicate()
    assert child.returncode == 0, said
    return said


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port: int = probe.getsockname()[1]
    return port


def losses(directory: Path) -> dict[int, float]:
    """The loss of every step in metrics.jsonl."""
    lines = map(json.loads, (directory / "metrics.jsonl").read_text().splitlines())
    return {line["step"]: line["loss"] for line in lines if "loss" in line}


def _do(run: Run) -> None:
    import toy_pretraining

    from erya.train.protocols import Callback, StepReport

    directory, rank = Path(run["directory"]), os.environ.get("RANK", "0")
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"rank-{rank}").write_text(str(os.getpid()))

    class Events(Callback):
        """On the first rank."""

        def on_message(self, text: str) -> None:
            print(text)

        def on_step(self, report: StepReport) -> None:
            time.sleep(run.get("slow", 0))
            mark = directory / "died"
            if report.step == run.get("die") and not mark.exists():
                mark.touch()
                os.kill(int((directory / "rank-1").read_text()), signal.SIGKILL)

    settings = {key: value for key, value in run.items() if key not in _OWN}
    recipe = type(toy_pretraining.RECIPE).model_validate(toy_pretraining.RECIPE.model_dump() | settings)
    toy_pretraining.run(directory, Events(), recipe=recipe, dropout=run.get("dropout", 0.0))


if __name__ == "__main__":
    for each in json.loads(sys.argv[1]):
        _do(each)
