"""The progress bar of a training run, on stderr."""

from __future__ import annotations

from collections.abc import Mapping

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from erya.cli.console import messages
from erya.train.protocols import Callback, RunStart, StepReport


class TrainingProgress(Callback):
    """One bar for a run: steps, time left, tokens/s, loss, and the last evaluation."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
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
        self._task = self._progress.add_task(
            "training", total=start.total_steps, completed=start.step, numbers=""
        )
        self._progress.start()

    def on_step(self, report: StepReport) -> None:
        if report.loss is not None:
            # A running mean over about twenty steps: single batches jump too much to be read.
            self._loss = report.loss if self._loss is None else 0.95 * self._loss + 0.05 * report.loss
        loss = "" if self._loss is None else f"loss {self._loss:.4f}  "
        numbers = f"{loss}{report.tokens_per_s:,.0f} tokens/s"
        self._progress.update(self._task, completed=report.step, numbers=numbers)

    def on_evaluate(self, step: int, metrics: Mapping[str, float]) -> None:
        shown = "  ".join(f"{name.removeprefix('eval_')} {value:.4f}" for name, value in metrics.items())
        messages.print(f"step {step}: {shown}", markup=False)

    def on_message(self, text: str) -> None:
        messages.print(text, markup=False, style="yellow")

    def on_end(self) -> None:
        self._progress.stop()
