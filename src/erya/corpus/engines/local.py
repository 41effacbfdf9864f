"""The local engine: one function over many items in worker processes, in order and in bounded memory."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from pathlib import Path
from types import FrameType
from typing import Any, Literal, TypeVar

from erya.corpus.engines.threads import work_alone, working_alone
from erya.errors import EryaError
from erya.runtime import available_cores

Source = TypeVar("Source")
Item = TypeVar("Item")
Result = TypeVar("Result")

EngineName = Literal["local", "ray"]

# So many items a worker may be ahead of the one whose result is wanted next.
_AHEAD = 2
# What workers work with. A process that has nothing but this loaded is the one that workers are forked from:
# importing it anew for each of them, and for each phase of a job, would take a second or two.
_STAGES = ["erya.corpus.block_stage", "erya.corpus.volume_stage", "erya.corpus.shard_stage"]


class LocalEngine:
    """Worker processes of this machine; with one worker, this process itself.

    Args:
        workers: how many; None: as many as this process may use processors.
    """

    name: EngineName = "local"

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or available_cores()
        if self.workers > 1:
            _start_server()

    def map(
        self,
        function: Callable[[Item], Result],
        sources: Sequence[Source],
        *,
        expand: Callable[[Source], Iterable[Item]],
    ) -> Generator[Result, None, None]:
        """See `Engine.map`; here results come in the order of the items."""
        items = (item for source in sources for item in expand(source))
        return map_in_order(function, items, workers=self.workers)

    def require_shared(self, directory: Path) -> None:
        """See `Engine.require_shared`: all workers are on this machine."""

    def close(self) -> None:
        """See `Engine.close`: worker processes end with the `map` they were started for."""


def map_in_order(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int
) -> Generator[Result, None, None]:
    """Apply `function` to every item; results come in the order of the items.

    No more than a few items a worker are in memory, however slow the consumer is. Workers are never forked
    from this process, so its threads and locks do not matter.

    Args:
        function: what to do; it travels to each worker once, so it must pickle.
        items: read only as fast as results are taken.
        workers: number of processes; 1 works in this process.
    Raises:
        EryaError: a worker process died.
        Exception: whatever `function` raises, for the first item in order that raises.
    """
    if workers == 1:
        with working_alone():
            yield from map(function, items)
        return
    strangers = multiprocessing.active_children()
    executor = ProcessPoolExecutor(
        workers, mp_context=_start_method(), initializer=_start_worker, initargs=(function,)
    )
    pending: deque[Future[Result]] = deque()
    try:
        for item in items:
            with _deaf_children():
                pending.append(executor.submit(_work, item))
            if len(pending) > workers * _AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    except (BrokenProcessPool, BrokenPipeError):  # the latter from one that dies while it is being started
        # The pool ends those that it knew of when one died; for one started in that moment it waits for ever.
        for worker in multiprocessing.active_children():
            if worker not in strangers:
                worker.kill()
        raise EryaError(
            "a worker process died before its work was done",
            hint="most often the memory ran out: use fewer workers; the same command goes on where this one"
            " stopped (in a script of your own: start the work under if __name__ == '__main__', or with"
            " workers=1)",
        ) from None
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _start_method() -> BaseContext:
    """How worker processes are started."""
    # Elsewhere system libraries do not bear forking.
    return multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")


def _start_server() -> None:
    """Let the process that workers are forked from begin to load, while this one does other things."""
    if sys.platform == "linux":
        multiprocessing.set_forkserver_preload(_STAGES)
        # Its start lets Ctrl-C through again: before, not within.
        resource_tracker.ensure_running()
        with _deaf_children():
            forkserver.ensure_running()


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Processes started meanwhile never hear Ctrl-C; this one hears it afterwards.

    The key reaches the whole group; the parent ends the workers, they need not complain themselves. A start
    that is left half done could not be ended: another thread, too, may hear the key on behalf of this one.
    """
    heard: list[tuple[int, FrameType | None]] = []
    handler = signal.getsignal(signal.SIGINT)
    waits = threading.current_thread() is threading.main_thread() and callable(handler)
    if waits:
        signal.signal(signal.SIGINT, lambda number, frame: heard.append((number, frame)))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if waits:
            signal.signal(signal.SIGINT, handler)
    if heard and callable(handler):
        handler(*heard[0])


# The function of this worker process.
_function: Callable[[Any], Any] | None = None


def _start_worker(function: Callable[[Any], Any]) -> None:
    global _function
    _function = function
    work_alone()
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _work(item: Any) -> Any:
    assert _function is not None, "a worker works after it was started"
    return _function(item)


def _leave_with_parent() -> None:
    """A parent that was killed cannot tell its workers to go; they would wait for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "runs in workers only"
    wait([parent.sentinel])
    os._exit(1)
