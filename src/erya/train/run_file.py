"""`run.json`: what became of a run, and what it was told by machine and trackers. Torch-free."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from erya.errors import InputError
from erya.files import atomic_write

RUN_FILE = "run.json"

RunStatus = Literal["running", "finished", "interrupted", "failed"]
"""`interrupted` and `failed` runs go on by the same command; a run that is `running` in the file but holds no
lock was killed."""


class TrackerMark(BaseModel):
    """What a tracker was given.

    Attributes:
        id: what the tracker calls the run.
        logged: the last step it was given of each group of numbers, `train` and `eval`.
    """

    id: str | None = None
    logged: dict[str, int] = {}


class RunFile(BaseModel):
    """A run's own account of itself; whatever a reader does not find there is not known.

    Attributes:
        status: where it stands.
        started: when this call of it began, ISO 8601.
        ended: when it ended.
        error: what ended it, where that was an error.
        total_steps: its length, where that is known in steps.
        num_parameters: trainable numbers.
        matrix_rates: floating-point operations a second in matrix products, measured on this device, by the
            name of device, number format and threads.
        trackers: what each tracker was given.
    """

    status: RunStatus = "running"
    started: str | None = None
    ended: str | None = None
    error: str | None = None
    total_steps: int | None = None
    num_parameters: int | None = None
    matrix_rates: dict[str, float] = {}
    trackers: dict[str, TrackerMark] = {}

    def write(self, directory: Path) -> None:
        """Write it into the run directory, whole or not at all.

        Raises:
            StorageError: the disk refuses.
        """
        with atomic_write(directory / RUN_FILE) as stream:
            stream.write(self.model_dump_json(indent=2).encode() + b"\n")


def read_run_file(directory: Path) -> RunFile:
    """The account of the run in `directory`; an empty one where there is none.

    Raises:
        InputError: the file is damaged.
    """
    path = directory / RUN_FILE
    if not path.is_file():
        return RunFile()
    try:
        return RunFile.model_validate_json(path.read_bytes())
    except ValidationError:
        hint = "remove it: it holds no weights, only what trackers call the run"
        raise InputError("not an account of a run", where=str(path), hint=hint) from None


def now() -> str:
    """The time, as such files say it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
