"""The written record of a run: metrics.jsonl, run.json, and the trackers that follow it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from erya.errors import StorageError
from erya.files import storage_error
from erya.train.metrics_file import METRICS_FILE
from erya.train.protocols import Callback, RunStart, StepReport, Tell
from erya.train.ranks import in_words
from erya.train.run_file import RunStatus, now, read_run_file
from erya.train.trackers.followed import Followed
from erya.train.trackers.opening import open_trackers
from erya.train.trackers.tracker import RunInfo, TrackerName


class Record(Callback):
    """Writes every step and evaluation down.

    What a killed run wrote after its last checkpoint is cut off when the run is resumed, so no step is in the
    series twice and no line is half there.

    Args:
        directory: the run directory.
        step: the step the run is resumed from; 0 for a fresh run.
        metrics_bytes: length of metrics.jsonl at that step.
        every_steps: write every so many steps.
        trackers: who else is given the numbers.
        recipe: the whole recipe, for them.
        tell: is told when one of them fails; the run goes on without it.
    Attributes:
        lost_bytes: by how much metrics.jsonl is shorter than it was at that step.
        status: what run.json will say when the run ends; whoever ends it well says so here.
    Raises:
        MissingExtraError: the package of a tracker is not installed.
        StorageError: the disk refuses; so do all methods but `on_end`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        step: int,
        metrics_bytes: int,
        every_steps: int,
        trackers: Sequence[TrackerName] = ("tensorboard",),
        recipe: Mapping[str, Any] | None = None,
        tell: Tell = lambda text: None,
    ) -> None:
        self._directory, self._path, self._every_steps = directory, directory / METRICS_FILE, every_steps
        self.status: RunStatus = "failed"
        self._recipe, self._step = recipe or {}, step
        self.run_file = read_run_file(directory)
        with self._writing():
            self._stream = self._path.open("a+b")
            self.lost_bytes = max(0, metrics_bytes - self._stream.seek(0, os.SEEK_END))
            self._stream.seek(metrics_bytes - self.lost_bytes)
            undone = self._stream.read()
            self._stream.truncate(metrics_bytes - self.lost_bytes)
        self._trackers = [
            Followed(name, tracker, self.run_file, undone=undone, tell=tell)
            for name, tracker in open_trackers(trackers).items()
        ]

    def on_start(self, start: RunStart) -> None:
        file = self.run_file
        file.status, file.started, file.ended, file.error = "running", now(), None, None
        file.total_steps, file.num_parameters = start.total_steps, start.num_parameters
        for tracker in self._trackers:
            name, known_as = self._directory.resolve().name, file.trackers[tracker.name].id
            tracker.start(RunInfo(name, self._directory, self._recipe, self._step, known_as))
        file.write(self._directory)

    def on_step(self, report: StepReport) -> None:
        if report.skipped is not None:
            line: dict[str, Any] = {"step": report.step, "epoch": report.epoch, "batch": report.batch}
            self._write({**line, "skipped": report.skipped, "tokens": report.tokens, "lr": report.lr})
        elif report.step % self._every_steps == 0:
            values = {
                "loss": report.loss,
                "tokens": report.tokens,
                "tokens_per_s": round(report.tokens_per_s, 1),
                "lr": report.lr,
                "grad_norm": report.grad_norm,
                **report.extra,
            }
            self._write({"step": report.step, "epoch": report.epoch, **values})
            for tracker in self._trackers:
                tracker.log("train", report.step, values)

    def on_evaluate(self, step: int, metrics: Mapping[str, float]) -> None:
        self._write({"step": step, **metrics})
        for tracker in self._trackers:
            tracker.log("eval", step, {name.removeprefix("eval_"): metrics[name] for name in metrics})

    def sync(self) -> int:
        """Bring the record to the disk; return the length of metrics.jsonl in bytes."""
        with self._writing():
            os.fsync(self._stream.fileno())
        for tracker in self._trackers:
            tracker.flush()
        return self._stream.tell()

    def on_end(self) -> None:
        raised = sys.exc_info()[1]
        error = None if raised is None else in_words(raised)
        self.run_file.status, self.run_file.ended = self.status, now()
        self.run_file.error = None if error is None else f"{type(error).__name__}: {error}"
        for tracker in self._trackers:
            tracker.end(self.status)
        # What a full disk did not take is tried again by closing: the error was said the first time.
        with suppress(OSError):
            self._stream.close()
        with suppress(StorageError):
            self.run_file.write(self._directory)

    def _write(self, line: Mapping[str, Any]) -> None:
        finite = {name: _json_safe(value) for name, value in line.items()}
        with self._writing():
            self._stream.write((json.dumps(finite, ensure_ascii=False) + "\n").encode())
            self._stream.flush()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise storage_error(error, self._path) from error


def _json_safe(value: Any) -> Any:
    """NaN and infinities are not JSON: written as text, so that nothing is lost and any reader can read."""
    return str(value) if isinstance(value, float) and value - value != 0 else value
