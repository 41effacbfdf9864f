"""A search as it goes, on stderr."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn

from erya.cli.console import messages
from erya.tasks.tune.page import shown
from erya.tasks.tune.run import Watcher
from erya.tasks.tune.study import Outcome
from erya.train.protocols import Callback, StepReport


class TuningProgress(Watcher):
    """Trials done, the one that runs, the best so far and the time left; in a log file two lines a trial.

    Args:
        num_trials: of the whole search.
    """

    def __init__(self, num_trials: int) -> None:
        columns = [TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}")]
        self._bar = Progress(
            *columns, console=messages, transient=True, redirect_stdout=False,
            disable=not messages.is_terminal,
        )  # fmt: skip
        self._num_trials, self._began = num_trials, time.monotonic()
        self._done_before: float | None = None
        self._best = ""
        self._task = self._bar.add_task("", total=float(num_trials), said="")

    def __enter__(self) -> TuningProgress:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def on_trial(self, number: int, values: Mapping[str, Any]) -> Sequence[Callback]:
        self._bar.update(self._task, completed=number)
        self._bar.update(self._task, description=f"trial {number + 1}/{self._num_trials}")
        messages.print(f"trial {number}: {_values(values)}", markup=False)
        return [_Within(self, number)]

    def within(self, number: int, progress: float, loss: float | None) -> None:
        """A trial is so far."""
        if self._done_before is None:
            self._done_before = float(number)
        done = number + progress - self._done_before
        elapsed = time.monotonic() - self._began
        left = int(elapsed / done * (self._num_trials - number - progress)) if done > 0.02 else None
        clock = "" if left is None else f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02} left"
        said = "  ".join(filter(None, ("" if loss is None else f"loss {loss:.3f}", self._best, clock)))
        self._bar.update(self._task, completed=number + progress, said=said)

    def on_outcome(self, outcome: Outcome, best: Outcome | None) -> None:
        score = "" if outcome.score is None else f" {outcome.score:.4f}"
        messages.print(f"trial {outcome.number}: {outcome.status}{score}", markup=False)
        if best is not None:
            self._best = f"best {best.score:.4f} (trial {best.number})"


class _Within(Callback):
    """Tells the bar how far a trial is."""

    def __init__(self, bar: TuningProgress, number: int) -> None:
        self._bar, self._number = bar, number

    def on_step(self, report: StepReport) -> None:
        self._bar.within(self._number, report.progress, report.loss)


def _values(values: Mapping[str, Any]) -> str:
    return "  ".join(f"{key}={shown(value)}" for key, value in values.items())
