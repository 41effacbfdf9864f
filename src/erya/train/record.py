"""The written record of a run: metrics.jsonl and TensorBoard events."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from erya.files import storage_error
from erya.train.metrics_file import METRICS_FILE
from erya.train.protocols import Callback, StepReport

EVENTS_DIRECTORY = "tensorboard"


class Record(Callback):
    """Writes every step and evaluation down.

    What a killed run wrote after its last checkpoint is cut off when the run is resumed, so no step is in the
    series twice and no line is half there.

    Args:
        directory: the run directory.
        step: the step the run is resumed from; 0 for a fresh run.
        metrics_bytes: length of metrics.jsonl at that step.
        every_steps: write every so many steps.
    Attributes:
        lost_bytes: by how much metrics.jsonl is shorter than it was at that step.
    Raises:
        StorageError: the disk refuses; so do all methods but `on_end`.
    """

    def __init__(self, directory: Path, *, step: int, metrics_bytes: int, every_steps: int) -> None:
        self._path, self._every_steps = directory / METRICS_FILE, every_steps
        with self._writing():
            self._stream = self._path.open("ab")
            self.lost_bytes = max(0, metrics_bytes - self._stream.tell())
            self._stream.truncate(metrics_bytes - self.lost_bytes)
            events = str(directory / EVENTS_DIRECTORY)
            self._events = SummaryWriter(events, purge_step=step + 1 if step else None)

    def on_step(self, report: StepReport) -> None:
        if report.skipped is not None:
            line: dict[str, Any] = {"step": report.step, "epoch": report.epoch, "skipped": report.skipped}
            self._write({**line, "tokens": report.tokens, "lr": report.lr})
        elif report.step % self._every_steps == 0:
            values = {
                "loss": report.loss,
                "tokens": report.tokens,
                "tokens_per_s": round(report.tokens_per_s, 1),
                "lr": report.lr,
                "grad_norm": report.grad_norm,
            }
            self._write({"step": report.step, "epoch": report.epoch, **values})
            self._draw({f"train/{name}": value for name, value in values.items()}, report.step)

    def on_evaluate(self, step: int, metrics: Mapping[str, float]) -> None:
        self._write({"step": step, **metrics})
        self._draw({f"eval/{name.removeprefix('eval_')}": value for name, value in metrics.items()}, step)

    def sync(self) -> int:
        """Bring the record to the disk; return the length of metrics.jsonl in bytes."""
        with self._writing():
            os.fsync(self._stream.fileno())
            self._events.flush()
        return self._stream.tell()

    def on_end(self) -> None:
        # What a full disk did not take is tried again by closing: the error was said the first time.
        with suppress(OSError):
            self._stream.close()
        with suppress(OSError):
            self._events.close()

    def _write(self, line: Mapping[str, Any]) -> None:
        finite = {name: _json_safe(value) for name, value in line.items()}
        with self._writing():
            self._stream.write((json.dumps(finite, ensure_ascii=False) + "\n").encode())
            self._stream.flush()

    def _draw(self, values: Mapping[str, float | None], step: int) -> None:
        with self._writing():
            for name, value in values.items():
                self._events.add_scalar(name, value, step)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise storage_error(error, self._path) from error


def _json_safe(value: Any) -> Any:
    """NaN and infinities are not JSON: written as text, so that nothing is lost and any reader can read."""
    return str(value) if isinstance(value, float) and value - value != 0 else value
