"""Ctrl-C and SIGTERM end a run after the step it is in, with a checkpoint."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupt:
    """Whether somebody asked the run to end."""

    asked = False


@contextmanager
def interruptible(*, patient: bool = False) -> Iterator[Interrupt]:
    """Turn the first SIGINT or SIGTERM into a request; the second one works as ever.

    Args:
        patient: the others are requests too. A terminal and torchrun both pass Ctrl-C on, so several arrive;
            torchrun kills whoever takes too long.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    former = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, frame: FrameType | None) -> None:
        interrupt.asked = True
        if patient:
            return
        for each, handler in former.items():
            signal.signal(each, handler)

    for number in former:
        signal.signal(number, ask)
    try:
        yield interrupt
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
