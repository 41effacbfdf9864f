"""Weights & Biases: offline in the run directory, unless the user set WANDB_MODE or a server of their own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from erya.runtime import require
from erya.train.run_file import RunStatus
from erya.train.trackers.tracker import PROJECT, TRACKERS_DIRECTORY, RunInfo


class WandB:
    """Follows a run as a W&B run; `wandb sync` uploads an offline one."""

    rewinds = False

    def __init__(self) -> None:
        os.environ.setdefault("WANDB_SILENT", "true")  # its words would go between ours
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        self._wandb = require("wandb")

    def start(self, run: RunInfo) -> str | None:
        local = run.directory / TRACKERS_DIRECTORY
        local.mkdir(parents=True, exist_ok=True)
        self._run: Any = self._wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=run.name,
            id=run.id,
            resume="allow",
            config=dict(run.recipe),
            dir=str(local),
            mode=_mode(),
            # Standard output is the caller's, and machine figures are ours to choose.
            settings=self._wandb.Settings(console="off", x_disable_stats=True),
        )
        return str(self._run.id)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def flush(self) -> None:
        """It writes from a process of its own, at once."""

    def end(self, status: RunStatus) -> None:
        self._run.finish(exit_code=1 if status == "failed" else 0)


def _mode() -> str:
    """`offline` unless the user said otherwise, by WANDB_MODE or by naming a server."""
    return os.environ.get("WANDB_MODE") or ("online" if "WANDB_BASE_URL" in os.environ else "offline")
