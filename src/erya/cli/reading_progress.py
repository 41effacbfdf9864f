"""Bars for reading text: share, MB/s and time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from erya.cli.console import messages


@contextmanager
def phases() -> Iterator[Callable[[str, int, int, int], None]]:
    """Show a bar on stderr for each phase of a job while the block runs.

    Yields:
        To be told the phase, what is done of it, what there is in all (in any unit), and the bytes of text
        done.
    """
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    quiet = not messages.is_terminal
    with Progress(
        *columns, console=messages, transient=True, redirect_stdout=False, disable=quiet
    ) as progress:
        bars: dict[str, tuple[int, float, int]] = {}

        def update(phase: str, done: int, total: int, text_bytes: int) -> None:
            if phase not in bars:
                # What was done before this run does not count for the rate.
                bars[phase] = (
                    int(progress.add_task(phase, total=None, rate="")),
                    time.perf_counter(),
                    text_bytes,
                )
            bar, begin, before = bars[phase]
            rate = (text_bytes - before) / 1e6 / max(time.perf_counter() - begin, 1e-9)
            said = f"{rate:.1f} MB/s" if rate else ""
            progress.update(progress.tasks[bar].id, completed=done, total=total, rate=said)

        yield update


@contextmanager
def reading(task: str) -> Iterator[Callable[[int, int, int], None]]:
    """Show one bar on stderr while the block runs.

    Yields:
        To be told what is done, what there is in all (in any unit), and the bytes of text so far.
    """
    with phases() as told:
        yield lambda done, total, text_bytes: told(task, done, total, text_bytes)
