"""What every engine offers: one function over many items, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Protocol, TypeVar

from erya.corpus.engines.local import EngineName, LocalEngine

Source = TypeVar("Source")
Item = TypeVar("Item")
Result = TypeVar("Result")


class Engine(Protocol):
    """Runs a function over the items that sources are made of.

    Attributes:
        name: how reports call it.
        workers: how many items are worked on at a time.
    """

    name: EngineName
    workers: int

    def map(
        self,
        function: Callable[[Item], Result],
        sources: Sequence[Source],
        *,
        expand: Callable[[Source], Iterable[Item]],
    ) -> Generator[Result, None, None]:
        """Apply `function` to every item of every source; results come in any order.

        No more than a few items a worker are in memory, however slow the consumer is.

        Args:
            function: what to do; it travels to each worker once, so it must pickle.
            sources: what items are read from: light things, such as the names of files.
            expand: reads the items of a source, lazily; it must pickle too.
        Raises:
            EryaError: a worker process died, or what `function` or `expand` raises.
        """


def open_engine(name: EngineName, *, workers: int, address: str | None = None) -> Engine:
    """The engine called `name`.

    Args:
        name: `local` or `ray`.
        workers: how many items to work on at a time.
        address: of the Ray cluster; None starts one on this machine for the time of the job.
    Raises:
        MissingExtraError: Ray is not installed.
        ConfigError: no cluster answers at `address`.
    """
    if name == "local":
        return LocalEngine(workers)
    from erya.corpus.engines.cluster import RayEngine

    return RayEngine(workers, address=address)
