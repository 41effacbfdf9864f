"""Which units the raw files came to: a few numbers each, since nothing bounds how many there are.

U units.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal, overload

import numpy as np
from numpy.typing import NDArray

from erya.corpus.places import UnitFiles, doc_number
from erya.corpus.read.bundles import Bundle
from erya.corpus.summaries import BlockSummary

# Of each unit: the number that its first document could have, its bundle, its number, its characters.
_COLUMNS = 4
_UNIT_BITS = 32


def unit_key(bundle: int, number: int) -> int:
    """One number for a unit: keys grow in the order of the raw files.

    Args:
        bundle: the number of the first file of its bundle.
        number: of the unit within the bundle.
    """
    return (bundle << _UNIT_BITS) | number


@dataclass(frozen=True, slots=True)
class UnitRange:
    """Consecutive units of one bundle.

    Attributes:
        folder: the name of the bundle.
        first, last: the numbers of the first and the last unit.
    """

    folder: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Volume:
    """Some consecutive units: what one worker writes into parts of its own."""

    number: int
    ranges: tuple[UnitRange, ...]


class UnitLog:
    """Remembers which units are done, in any order, at 32 bytes a unit."""

    def __init__(self) -> None:
        self._numbers = array("q")

    def add(self, summary: BlockSummary) -> None:
        """Remember a unit."""
        first = doc_number(summary.first_file, summary.first_block)
        self._numbers.extend((first, summary.bundle, summary.number, summary.characters))

    def __len__(self) -> int:
        return len(self._numbers) // _COLUMNS

    def keys(self) -> NDArray[np.int64]:
        """The keys of the units, int64, ascending, shape (U,)."""
        rows = self._rows()
        return np.sort((rows[:, 1] << _UNIT_BITS) | rows[:, 2])

    def in_order(self, bundles: Iterable[Bundle], folder: Path) -> UnitTable:
        """The units in the order of the raw files.

        Args:
            bundles: of all files.
            folder: where the folders of the bundles are.
        """
        rows = self._rows()
        return UnitTable(rows[np.argsort(rows[:, 0])], bundles, folder)

    def _rows(self) -> NDArray[np.int64]:
        return np.array(self._numbers, dtype=np.int64).reshape(-1, _COLUMNS)


class UnitTable:
    """All units in the order of the raw files. Made by `UnitLog.in_order`."""

    def __init__(self, rows: NDArray[np.int64], bundles: Iterable[Bundle], folder: Path) -> None:
        self._rows, self._folder = rows, folder
        self._names = {bundle.first_file: bundle.name for bundle in bundles}

    @property
    def characters(self) -> int:
        """How many characters the documents of all units have."""
        return int(self._rows[:, 3].sum())

    def paths(self, kind: Literal["signatures", "lines"]) -> Sequence[Path]:
        """The names of one of the files of every unit; each is made when it is looked at."""
        return _Paths(self, kind)

    def files(self, place: int) -> UnitFiles:
        """The files of the unit at some place, from 0."""
        bundle, number = self._rows[place, 1:3].tolist()
        return UnitFiles(self._folder / self._names[bundle], number)

    def unit_of(self, doc: int) -> UnitFiles:
        """The files of the unit that a document is in."""
        return self.files(int(np.searchsorted(self._rows[:, 0], doc, side="right")) - 1)

    def volumes(self, characters: int) -> Iterator[Volume]:
        """Consecutive units in volumes: the same ones whoever does the work.

        Args:
            characters: a volume takes no further unit once it has so many.
        """
        first = volume = held = 0
        for place, size in enumerate(self._rows[:, 3]):
            held += int(size)
            if held >= characters or place == len(self) - 1:
                yield Volume(volume, tuple(self._ranges(first, place + 1)))
                first, volume, held = place + 1, volume + 1, 0

    def _ranges(self, first: int, end: int) -> Iterator[UnitRange]:
        for bundle, units in groupby(self._rows[first:end, 1:3].tolist(), key=lambda unit: unit[0]):
            numbers = [number for _, number in units]
            yield UnitRange(self._names[bundle], numbers[0], numbers[-1])

    def __len__(self) -> int:
        return len(self._rows)


class _Paths(Sequence[Path]):
    def __init__(self, table: UnitTable, kind: Literal["signatures", "lines"]) -> None:
        self._table, self._kind = table, kind

    def __len__(self) -> int:
        return len(self._table)

    @overload
    def __getitem__(self, place: int) -> Path: ...

    @overload
    def __getitem__(self, place: slice) -> list[Path]: ...

    def __getitem__(self, place: int | slice) -> Path | list[Path]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        files = self._table.files(place)
        return files.signatures if self._kind == "signatures" else files.lines
