"""A training run as it goes, on stderr: a small panel on a terminal, lines in a log file."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from erya.cli.console import messages
from erya.cli.curves import sparkline
from erya.train.protocols import Callback, RunStart, StepReport

_QUIET_S = 30.0  # where no panel can be drawn (a log file), a line as often as this
_REFRESHES_PER_S = 4
_CURVE_WIDTH = 24
_MOST_LOSSES = 2000


class TrainingProgress(Callback):
    """Shows a run: time left, losses, speed, place in the data; evaluations as lines above.

    Args:
        console: where to.
    """

    def __init__(self, console: Console = messages) -> None:
        self._console = console
        self._loss: float | None = None
        self._losses: deque[float] = deque(maxlen=_MOST_LOSSES)
        self._report: StepReport | None = None
        self._evaluation = ""
        self._skips = 0
        # Asks for the panel at once, so it comes last.
        self._live = Live(
            get_renderable=self._panel,
            console=console,
            transient=True,
            refresh_per_second=_REFRESHES_PER_S,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def on_start(self, start: RunStart) -> None:
        self._say(f"{start.num_parameters / 1e6:,.1f} M parameters")
        if start.step:
            self._say(f"going on from step {start.step}")
        self._total = "" if start.total_steps is None else f"/{start.total_steps:,}"
        self._began = self._spoke = time.monotonic()
        self._from: float | None = None
        if self._console.is_terminal:
            self._live.start()

    def on_step(self, report: StepReport) -> None:
        if self._from is None:
            # The first step also starts threads and compiles: time left is reckoned from the second.
            self._from, self._began = report.progress, time.monotonic()
        if report.loss is not None:
            # A running mean over about twenty steps: single batches jump too much to be read.
            self._loss = report.loss if self._loss is None else 0.95 * self._loss + 0.05 * report.loss
            self._losses.append(self._loss)
        self._skips += report.skipped is not None
        self._report = report
        if not self._console.is_terminal and time.monotonic() - self._spoke > _QUIET_S:
            words = (f"{report.progress:.0%}", self._steps(report), *self._numbers(report), self._left())
            self._say("  ".join(word for word in words if word))
            self._spoke = time.monotonic()

    def on_evaluate(self, step: int, metrics: Mapping[str, float]) -> None:
        shown = "  ".join(f"{name.removeprefix('eval_')} {value:.4f}" for name, value in metrics.items())
        self._evaluation = f"held out at step {step:,}: {shown}"
        self._say(f"step {step}: {shown}")

    def on_message(self, text: str) -> None:
        self._console.print(text, markup=False, style="yellow")

    def on_end(self) -> None:
        self._live.stop()

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False)

    def _panel(self) -> RenderableType:
        """Four lines at most, each cut where the terminal ends."""
        report = self._report
        if report is None:
            return Text("the first step ...", style="dim")
        bar = Table.grid(padding=(0, 1), expand=True)
        bar.add_column(no_wrap=True)
        bar.add_column(ratio=1)
        bar.add_column(no_wrap=True)
        drawn = ProgressBar(total=1.0, completed=report.progress)
        bar.add_row(self._steps(report), drawn, f"{report.progress:.0%}  {self._left()}")
        curve = sparkline(list(self._losses), width=_CURVE_WIDTH)
        first, *others = self._numbers(report)
        lines = [f"{first}  {curve}  {self._rates(report)}", "  ".join(others), self._evaluation]
        shown = [Text(line, no_wrap=True, overflow="ellipsis") for line in lines if line.strip()]
        return Group(bar, *shown)

    def _steps(self, report: StepReport) -> str:
        return f"step {report.step:,}{self._total}"

    def _rates(self, report: StepReport) -> str:
        norm = "" if report.grad_norm is None else f"  gradient {report.grad_norm:.3g}"
        return f"rate {report.lr:.2e}{norm}"

    def _numbers(self, report: StepReport) -> list[str]:
        """Loss, speed and place, a word each."""
        words = [
            "" if self._loss is None else f"loss {self._loss:.4f}",
            f"{report.tokens_per_s:,.0f} tokens/s",
        ]
        extra = report.extra
        if "utilisation" in extra:
            words.append(f"{extra['utilisation']:.0%} of the matrix rate")
        if extra.get("data_wait_s", 0.0) >= 0.001:
            words.append(f"waited {1000 * extra['data_wait_s']:,.0f} ms for data")
        share = f" {extra['epoch_share']:.0%}" if "epoch_share" in extra else ""
        words.append(f"epoch {report.epoch}{share}")
        return [*words, f"{self._skips} skipped"] if self._skips else words

    def _left(self) -> str:
        """Time left at the speed so far, evaluation and checkpoints included."""
        report = self._report
        if report is None or self._from is None or report.progress <= self._from:
            return ""
        elapsed = time.monotonic() - self._began
        seconds = int(elapsed * (1 - report.progress) / (report.progress - self._from))
        hours, minutes = seconds // 3600, seconds // 60 % 60
        return f"{hours}:{minutes:02}:{seconds % 60:02} left"
