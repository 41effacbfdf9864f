"""Sums over held-out batches, by name."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


class Sums:
    """Adds numbers up by name, in double precision."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}

    def add(self, values: Mapping[str, Tensor | int]) -> None:
        """Add one number a name; tensors are 0-dimensional."""
        for name, value in values.items():
            number = float(value.detach()) if isinstance(value, Tensor) else value
            self._sums[name] = self._sums.get(name, 0.0) + number

    def merge(self, other: Sums, *, times: int = 1) -> None:
        """Add the sums of `other` so many times; with 0 its names are known and nothing is added."""
        for name, value in other.as_dict().items():
            self._sums[name] = self._sums.get(name, 0.0) + value * times

    def as_dict(self) -> dict[str, float]:
        """A copy of the sums."""
        return dict(self._sums)
