"""Tensors under other names: which stored tensor each stands for, and what is changed on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

Change = Literal["none", "transpose", "without_first_row"]
Shape = tuple[int, ...]

_CHANGES: Mapping[Change, Callable[[np.ndarray], np.ndarray]] = {
    "none": lambda array: array,
    # A copy: what is saved next wants its values in order.
    "transpose": lambda array: np.ascontiguousarray(array.T),
    "without_first_row": lambda array: array[1:],
}
_SHAPES: Mapping[Change, Callable[[Shape], Shape]] = {
    "none": lambda shape: shape,
    "transpose": lambda shape: shape[::-1],
    "without_first_row": lambda shape: (max(0, shape[0] - 1), *shape[1:]),
}


@dataclass(frozen=True, slots=True)
class Source:
    """The stored tensor that a name stands for.

    Attributes:
        name: what the file calls it.
        change: what must be done to its values. A transposition is its own inverse; a first row that is left
            out is that of the padding.
    """

    name: str
    change: Change = "none"


# Hugging Face's name -> the stored tensor.
NameTable = dict[str, Source]


class RenamedArrays(Mapping[str, np.ndarray]):
    """Stored arrays under Hugging Face's names, each read when asked for.

    Args:
        stored: arrays by the names in the file.
        shapes: their shapes, by the same names.
        table: which of them each name stands for; names whose tensor is not stored are left out.
    """

    def __init__(
        self, stored: Mapping[str, np.ndarray], shapes: Mapping[str, Shape], table: NameTable
    ) -> None:
        self._stored = stored
        self._table = {name: source for name, source in table.items() if source.name in shapes}
        self.shapes: dict[str, Shape] = {
            name: _SHAPES[source.change](shapes[source.name]) for name, source in self._table.items()
        }

    def __getitem__(self, name: str) -> np.ndarray:
        source = self._table[name]
        return _CHANGES[source.change](self._stored[source.name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __contains__(self, name: object) -> bool:
        return name in self._table  # a mapping's own would read the tensor

    def __len__(self) -> int:
        return len(self._table)

    @property
    def sources(self) -> frozenset[str]:
        """The stored names that are used."""
        return frozenset(source.name for source in self._table.values())
