"""Progress on stderr, drawn only when someone is watching."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from erya.cli.console import messages


@contextmanager
def counting(title: str, *, unit: str) -> Iterator[Callable[[int], None]]:
    """Count upwards, with the rate, while the block runs.

    Yields:
        To be told how many more are done.
    """
    columns = [SpinnerColumn(), TextColumn("{task.description}"), TextColumn("{task.fields[rate]}")]
    # Results on a terminal show progress enough; and rich must not turn our stdout into its stderr.
    bar = Progress(
        *columns,
        TimeElapsedColumn(),
        console=messages,
        transient=True,
        redirect_stdout=False,
        disable=sys.stdout.isatty() or not messages.is_terminal,
    )
    with bar as progress:
        task, begin, total = progress.add_task(title, total=None, rate=""), time.perf_counter(), 0

        def advance(number: int) -> None:
            nonlocal total
            total += number
            rate = total / max(time.perf_counter() - begin, 1e-9)
            progress.update(task, completed=total, rate=f"{total:,} {unit}, {rate:,.1f}/s")

        yield advance
