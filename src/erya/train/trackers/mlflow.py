"""MLflow: a local database in the run directory, or the server that MLFLOW_TRACKING_URI names."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from typing import Any

from erya.runtime import require
from erya.train.run_file import RunStatus
from erya.train.trackers.tracker import PROJECT, TRACKERS_DIRECTORY, RunInfo, flat

_STATUS = {"finished": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}
_LONGEST_PARAMETER = 500  # of a value; servers refuse longer ones
_MOST_PARAMETERS = 100  # of a request


class MLflow:
    """Follows a run as an MLflow run, by the client alone: MLflow's own current run is left to the caller."""

    rewinds = False

    def __init__(self) -> None:
        # MLflow tells its makers about its use unless told not to: no call without being asked.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        self._mlflow = require("mlflow")

    def start(self, run: RunInfo) -> str | None:
        self._client = self._mlflow.MlflowClient(tracking_uri=_uri(run))
        if run.id is not None:
            self._run_id = run.id
            self._client.update_run(run.id, status="RUNNING")
            return run.id
        found = self._client.get_experiment_by_name(PROJECT)
        experiment = found.experiment_id if found else self._client.create_experiment(PROJECT)
        self._run_id = str(self._client.create_run(experiment, run_name=run.name).info.run_id)
        parameter = self._mlflow.entities.Param
        recipe = [parameter(key, value[:_LONGEST_PARAMETER]) for key, value in flat(run.recipe).items()]
        for start in range(0, len(recipe), _MOST_PARAMETERS):
            self._client.log_batch(self._run_id, params=recipe[start : start + _MOST_PARAMETERS])
        return self._run_id

    def log(self, step: int, values: Mapping[str, float]) -> None:
        milliseconds = int(time.time() * 1000)
        metrics: list[Any] = [
            self._mlflow.entities.Metric(name, value, milliseconds, step)
            for name, value in values.items()
            if math.isfinite(value)  # databases refuse the others
        ]
        self._client.log_batch(self._run_id, metrics=metrics)

    def flush(self) -> None:
        """Every call of `log` waits until it is written."""

    def end(self, status: RunStatus) -> None:
        self._client.set_terminated(self._run_id, status=_STATUS[status])


def _uri(run: RunInfo) -> str:
    """Where to: what the user set up, otherwise a database in the run directory."""
    configured = os.environ.get("MLFLOW_TRACKING_URI")
    if configured:
        return configured
    local = (run.directory / TRACKERS_DIRECTORY).resolve()
    local.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{local / 'mlflow.db'}"
