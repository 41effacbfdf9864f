"""A bar for reading text: share, MB/s and time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from erya.cli.console import messages


@contextmanager
def reading(task: str) -> Iterator[Callable[[int, int, int], None]]:
    """Show a bar on stderr while the block runs.

    Yields:
        To be told what is done, what there is in all (in any unit), and the bytes of text so far.
    """
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    begin = time.perf_counter()
    quiet = not messages.is_terminal
    with Progress(
        *columns, console=messages, transient=True, redirect_stdout=False, disable=quiet
    ) as progress:
        bar = progress.add_task(task, total=None, rate="")

        def update(done: int, total: int, text_bytes: int) -> None:
            rate = text_bytes / 1e6 / max(time.perf_counter() - begin, 1e-9)
            progress.update(bar, completed=done, total=total, rate=f"{rate:.1f} MB/s")

        yield update
