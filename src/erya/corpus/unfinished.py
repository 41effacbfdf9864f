"""What of the raw files is still to be read when a job goes on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from erya.corpus.job import read_summary, write_summary
from erya.corpus.read.bundles import Bundle, WorkUnit, read_units
from erya.corpus.unit_table import unit_key

_COUNT = "units.count"


@dataclass(frozen=True, slots=True)
class UnfinishedUnits:
    """Reads the units of a bundle that are not done yet; a bundle that is done is not opened.

    Asked again, because the process that read has died, it gives the same units: what is done was found out
    before the work began.

    Args:
        folder: where the folders of the bundles are.
        done: the keys of the units that are done, int64, ascending, shape (U,).
    """

    folder: Path
    done: NDArray[np.int64]

    def __call__(self, bundle: Bundle) -> Iterator[WorkUnit]:
        """The units of `bundle` still to be worked on."""
        known = read_summary(self.folder / bundle.name / _COUNT)
        if known is not None and self._are_done(bundle.first_file, known["units"]):
            return
        count = 0
        for unit in read_units(bundle):
            count += 1
            if not self._is_done(unit.bundle, unit.number):
                yield unit
        write_summary(self.folder / bundle.name / _COUNT, {"units": count})

    def _is_done(self, bundle: int, number: int) -> bool:
        key = unit_key(bundle, number)
        place = int(np.searchsorted(self.done, key))
        return place < len(self.done) and int(self.done[place]) == key

    def _are_done(self, bundle: int, count: int) -> bool:
        first, end = np.searchsorted(self.done, [unit_key(bundle, 0), unit_key(bundle, count)])
        return int(end - first) == count


def is_read(folder: Path) -> bool:
    """Whether the bundle with this folder was read to its end once."""
    return (folder / _COUNT).exists()
