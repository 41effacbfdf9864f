"""The progress bar of a training run, on stderr."""

from __future__ import annotations

import time
from collections.abc import Mapping

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from erya.cli.console import messages
from erya.train.protocols import Callback, RunStart, StepReport

_QUIET_S = 30.0  # where no bar can be drawn (a log file), a line as often as this


class TrainingProgress(Callback):
    """One bar for a run: time left, steps, loss, tokens/s; evaluations as lines above it."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("training"),
            BarColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[numbers]}"),
            console=messages,
            transient=True,
            redirect_stdout=False,
        )
        self._loss: float | None = None

    def on_start(self, start: RunStart) -> None:
        messages.print(f"{start.num_parameters / 1e6:,.1f} M parameters", markup=False)
        if start.step:
            messages.print(f"going on from step {start.step}", markup=False)
        self._total = "" if start.total_steps is None else f"/{start.total_steps:,}"
        # The bar is as long as the run, which may end by tokens or by the clock and not only by steps.
        self._task = self._progress.add_task("training", total=1.0, numbers="")
        self._progress.start()
        self._spoke = time.monotonic()

    def on_step(self, report: StepReport) -> None:
        if report.loss is not None:
            # A running mean over about twenty steps: single batches jump too much to be read.
            self._loss = report.loss if self._loss is None else 0.95 * self._loss + 0.05 * report.loss
        loss = "" if self._loss is None else f"loss {self._loss:.4f}  "
        numbers = f"step {report.step:,}{self._total}  {loss}{report.tokens_per_s:,.0f} tokens/s"
        self._progress.update(self._task, completed=report.progress, numbers=numbers)
        if not messages.is_terminal and time.monotonic() - self._spoke > _QUIET_S:
            messages.print(f"{report.progress:.0%}  {numbers}", markup=False)
            self._spoke = time.monotonic()

    def on_evaluate(self, step: int, metrics: Mapping[str, float]) -> None:
        shown = "  ".join(f"{name.removeprefix('eval_')} {value:.4f}" for name, value in metrics.items())
        messages.print(f"step {step}: {shown}", markup=False)

    def on_message(self, text: str) -> None:
        messages.print(text, markup=False, style="yellow")

    def on_end(self) -> None:
        self._progress.stop()
