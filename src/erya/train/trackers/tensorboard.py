"""TensorBoard events in the run directory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from erya.files import storage_error
from erya.train.run_file import RunStatus
from erya.train.trackers.tracker import RunInfo

EVENTS_DIRECTORY = "tensorboard"


class TensorBoard:
    """Writes events; on resuming, those of later steps are marked as void.

    Raises:
        StorageError: the disk refuses; so do all methods but `end`.
    """

    rewinds = True

    def start(self, run: RunInfo) -> str | None:
        self._path = run.directory / EVENTS_DIRECTORY
        with _writing(self._path):
            self._events = SummaryWriter(str(self._path), purge_step=run.step + 1 if run.step else None)
        return None

    def log(self, step: int, values: Mapping[str, float]) -> None:
        with _writing(self._path):
            for name, value in values.items():
                self._events.add_scalar(name, value, step)

    def flush(self) -> None:
        with _writing(self._path):
            self._events.flush()

    def end(self, status: RunStatus) -> None:
        # What a full disk did not take is tried again by closing: the error was said the first time.
        with suppress(OSError):
            self._events.close()


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise storage_error(error, path) from error
