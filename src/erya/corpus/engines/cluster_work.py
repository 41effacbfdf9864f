"""What runs in the worker processes of a Ray cluster."""

from __future__ import annotations

import os
import pickle
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from erya import __version__
from erya.corpus.engines.threads import work_alone
from erya.errors import EryaError


@dataclass(frozen=True, slots=True)
class Place:
    """Where the command was given.

    Attributes:
        machine: its name.
        directory: the working directory there.
    """

    machine: str
    directory: str

    @classmethod
    def here(cls) -> Place:
        """The place of this process."""
        return cls(socket.gethostname(), str(Path.cwd()))

    def settle(self) -> None:
        """Make this process a worker for that place: names of files mean the same here."""
        work_alone()
        # Where the directory is not there, relative names lead nowhere, and that is said of them.
        with suppress(OSError):
            os.chdir(self.directory)

    def told(self, error: EryaError | OSError) -> EryaError | OSError:
        """The error as the user hears it: with the machine, if it is another one."""
        machine = socket.gethostname()
        if machine == self.machine or isinstance(error, OSError):
            return error
        where = f"{error.where}, on {machine}" if error.where else machine
        return type(error)(error.what, where=where, hint=error.hint)


class Expand:
    """Reads a source: a row for each of its items.

    What the user can mend travels as an item: Ray would wrap what is raised in its own.
    """

    def __init__(self, expand: Callable[[Any], Iterable[Any]], place: Place) -> None:
        self._expand, self._place = expand, place

    def __call__(self, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The items of the source in `row`, pickled."""
        self._place.settle()
        try:
            for item in self._expand(pickle.loads(row["source"])):
                yield {"item": pickle.dumps(item)}
        except (EryaError, OSError) as error:
            yield {"item": pickle.dumps(self._place.told(error))}


class Apply:
    """Lives in a worker process with one copy of the function."""

    def __init__(self, function: bytes, place: Place) -> None:
        place.settle()
        self._place, self._pickled = place, function

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        """The results for the items in `batch`, pickled both."""
        return {"result": [pickle.dumps(self._work(pickle.loads(item))) for item in batch["item"]]}

    @cached_property
    def _function(self) -> Callable[[Any], Any]:
        # Not when the process starts: Ray would tell of what is wrong with it as of a death.
        function: Callable[[Any], Any] = pickle.loads(self._pickled)
        return function

    def _work(self, item: Any) -> Any:
        if isinstance(item, EryaError | OSError):
            return item
        try:
            return self._function(item)
        except (EryaError, OSError) as error:
            return self._place.told(error)


@dataclass(frozen=True, slots=True)
class Look:
    """What a machine of the cluster says of itself.

    Attributes:
        machine: its name.
        sees: whether it sees the file it was asked for.
        version: of Erya.
    """

    machine: str
    sees: bool
    version: str


def look(path: str) -> Look:
    """Look for a file on the machine this runs on."""
    return Look(socket.gethostname(), Path(path).exists(), __version__)
