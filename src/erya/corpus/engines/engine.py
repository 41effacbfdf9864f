"""What every engine offers: one function over many items, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from erya.corpus.engines.local import EngineName, LocalEngine

Source = TypeVar("Source")
Item = TypeVar("Item")
Result = TypeVar("Result")


# What a Ray cluster started on this machine takes beside the workers, measured: its own processes, readers.
CLUSTER_BYTES = 600 << 20


class Engine(Protocol):
    """Runs a function over the items that sources are made of; to be closed when all is done.

    Attributes:
        name: how reports call it.
    """

    name: EngineName

    @property
    def workers(self) -> int:
        """How many items are worked on at a time."""

    def map(
        self,
        function: Callable[[Item], Result],
        sources: Sequence[Source],
        *,
        expand: Callable[[Source], Iterable[Item]],
    ) -> Generator[Result, None, None]:
        """Apply `function` to every item of every source; results come in any order.

        No more than a few items a worker are in memory, however slow the consumer is. When the generator is
        closed, nothing of it is at work any more.

        Args:
            function: what to do; it travels to each worker once, so it must pickle. It may be asked twice
                for an item whose worker died.
            sources: what items are read from: light things, such as the names of files.
            expand: reads the items of a source, lazily; it must pickle too, and give the same items again
                when it is asked twice.
        Raises:
            EryaError: a worker process died, or what `function` or `expand` raises.
        """

    def require_shared(self, directory: Path) -> None:
        """Make sure that every worker sees `directory`, which exists.

        Raises:
            StorageError: one does not.
        """

    def close(self) -> None:
        """Let go of all that was started for this engine; it is of no more use."""


def open_engine(
    name: EngineName, *, workers: int | None = None, address: str | None = None, memory_bytes: int = 2 << 30
) -> Engine:
    """The engine called `name`.

    Args:
        name: `local` or `ray`.
        workers: how many items to work on at a time; None: as many as there are processors.
        address: of the Ray cluster; None starts one on this machine for as long as the engine is open.
        memory_bytes: what a cluster that is started here may use; the workers have to fit in, too.
    Raises:
        MissingExtraError: Ray is not installed.
    """
    if name == "local":
        return LocalEngine(workers)
    from erya.corpus.engines.cluster import RayEngine

    return RayEngine(workers, address=address, memory_bytes=memory_bytes)
