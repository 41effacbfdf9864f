"""trackio: a local database in the run directory, or the server that TRACKIO_SERVER_URL names."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Mapping
from contextlib import redirect_stdout
from types import ModuleType
from typing import Any

from erya.runtime import require
from erya.train.run_file import RunStatus
from erya.train.trackers.tracker import PROJECT, TRACKERS_DIRECTORY, RunInfo


class Trackio:
    """Follows a run as a trackio run, which is known by its name."""

    rewinds = False

    def start(self, run: RunInfo) -> str | None:
        # It reads the place when it is imported, so it is imported here.
        os.environ.setdefault("TRACKIO_DIR", str((run.directory / TRACKERS_DIRECTORY / "trackio").resolve()))
        name = run.id or f"{run.name}-{uuid.uuid4().hex[:6]}"
        with redirect_stdout(sys.stderr):  # its greetings are no result of ours
            self._run: Any = _trackio().init(
                project=PROJECT,
                name=name,
                resume="allow",
                config=dict(run.recipe),
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )
        return name

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def flush(self) -> None:
        """It writes from a thread of its own, within half a second."""

    def end(self, status: RunStatus) -> None:
        with redirect_stdout(sys.stderr):
            _trackio().finish()  # the run's own would be said again when the process ends


def _trackio() -> ModuleType:
    return require("trackio")
