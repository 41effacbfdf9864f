"""The counts of many examples, each kind of row kept once.

S examples, K counts an example, U different rows. Of a classifier's examples U is at most the number of cells
of its confusion matrix, so a million texts take as little room as a thousand.
"""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

from erya.evaluate.measures import Values

# Numbers of a table that are laid out at once: 160 MiB.
_MOST_NUMBERS = 20_000_000


class CountTable:
    """Rows of counts, mostly zeros, each kept once.

    Args:
        width: K.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self._numbers: dict[bytes, int] = {}
        self._rows, self._columns, self._values = array("i"), array("i"), array("d")
        self._ids = array("i")

    def add(self, counts: Values) -> None:
        """Keep the counts of one more example, shape (K,)."""
        filled = np.flatnonzero(counts)
        key = filled.tobytes() + counts[filled].tobytes()
        if key not in self._numbers:
            self._numbers[key] = len(self._numbers)
            self._rows.extend([self._numbers[key]] * len(filled))
            self._columns.extend(filled.tolist())
            self._values.extend(counts[filled].tolist())
        self._ids.append(self._numbers[key])

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def ids(self) -> NDArray[np.int64]:
        """The number of each example's row, shape (S,)."""
        return np.array(self._ids, dtype=np.int64)

    def sums(self, chosen: NDArray[np.bool_] | None = None) -> Values:
        """What the examples, or those `chosen` (shape (S,)), add up to, shape (K,)."""
        rows = np.array(self._rows, dtype=np.int64)
        values = np.array(self._values) * self._times(chosen)[rows]
        found = np.bincount(np.array(self._columns, dtype=np.int64), values, minlength=self.width)
        return found.astype(np.float64)

    def distinct(self, chosen: NDArray[np.bool_] | None = None) -> tuple[Values, NDArray[np.int64]] | None:
        """The different rows of the examples, shape (U, K), and how many examples have each, shape (U,).

        Returns:
            None where they would take more room than is reasonable.
        """
        times = self._times(chosen)
        kept = np.flatnonzero(times)
        if len(kept) * self.width > _MOST_NUMBERS:
            return None
        return self._laid_out(kept), times[kept]

    def dense(self, chosen: NDArray[np.bool_] | None = None) -> Values | None:
        """The counts of each example, shape (S, K); None where they would take too much room."""
        ids = self.ids if chosen is None else self.ids[chosen]
        if len(ids) * self.width > _MOST_NUMBERS:
            return None
        kept, which = np.unique(ids, return_inverse=True)
        return self._laid_out(kept)[which]

    def _times(self, chosen: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        ids = self.ids if chosen is None else self.ids[chosen]
        return np.bincount(ids, minlength=len(self._numbers))

    def _laid_out(self, kept: NDArray[np.int64]) -> Values:
        """The rows with these numbers, ascending."""
        rows = np.array(self._rows, dtype=np.int64)
        wanted = np.isin(rows, kept)
        table = np.zeros((len(kept), self.width))
        columns = np.array(self._columns, dtype=np.int64)[wanted]
        table[np.searchsorted(kept, rows[wanted]), columns] = np.array(self._values)[wanted]
        return table
