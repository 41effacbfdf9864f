"""Alignment: where each character of a changed text comes from in the original."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """Maps the N characters of a new text to spans of the original, O characters long.

    Both arrays never decrease, so the mapping keeps the order; neighbours share a span where several
    characters were replaced as one (a phrase, a character reference). Characters of the original that
    left no trace (a zero-width space) lie in no span.

    Attributes:
        starts: first original character of each new one, int32, shape (N,), in [0, O).
        ends: one past the last original character of each new one, int32, shape (N,), in (0, O].
        original_length: O.
    """

    starts: NDArray[np.int32]
    ends: NDArray[np.int32]
    original_length: int

    @classmethod
    def identity(cls, length: int) -> Alignment:
        """The alignment of a text of `length` characters with itself."""
        bounds = np.arange(length + 1, dtype=np.int32)
        return cls(bounds[:-1], bounds[1:], length)

    @classmethod
    def from_edits(cls, edits: Iterable[tuple[int, int, int]], original_length: int) -> Alignment:
        """The alignment of a text in which some stretches were replaced and the rest stayed as it was.

        Args:
            edits: (start, end, new length) in order, start and end in the original. Every character that
                replaces a stretch maps to the whole stretch.
            original_length: O.
        """
        places = np.arange(original_length + 1, dtype=np.int32)
        starts, ends, done = [], [], 0
        for start, end, length in edits:
            starts += [places[done:start], np.full(length, start, dtype=np.int32)]
            ends += [places[done + 1 : start + 1], np.full(length, end, dtype=np.int32)]
            done = end
        starts.append(places[done:original_length])
        ends.append(places[done + 1 :])
        return cls(np.concatenate(starts), np.concatenate(ends), original_length)

    def __len__(self) -> int:
        return len(self.starts)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Alignment)
            and self.original_length == other.original_length
            and np.array_equal(self.starts, other.starts)
            and np.array_equal(self.ends, other.ends)
        )

    def __hash__(self) -> int:
        return hash((self.original_length, self.starts.tobytes(), self.ends.tobytes()))

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """The span of the original that the new text's span [start, end) comes from.

        An empty span stays empty, at the place where it stands.

        Raises:
            ValueError: the span does not lie in the new text.
        """
        if not 0 <= start <= end <= len(self):
            raise ValueError(f"span ({start}, {end}) is not inside a text of {len(self)} characters")
        if start == end:
            place = int(self.starts[start]) if start < len(self) else self.original_length
            return place, place
        return int(self.starts[start]), int(self.ends[end - 1])

    def original_spans(self, spans: NDArray[np.int32]) -> NDArray[np.int32]:
        """`original_span` for many non-empty spans at once, int32, shape (S, 2) to (S, 2)."""
        return np.stack([self.starts[spans[:, 0]], self.ends[spans[:, 1] - 1]], axis=1)

    def after(self, earlier: Alignment) -> Alignment:
        """Compose: this change was made to the outcome of `earlier`; map straight to the first text.

        Raises:
            ValueError: this alignment's original is not the new text of `earlier`.
        """
        if self.original_length != len(earlier):
            raise ValueError(f"cannot compose: {self.original_length} characters follow {len(earlier)}")
        return Alignment(earlier.starts[self.starts], earlier.ends[self.ends - 1], earlier.original_length)


@dataclass(frozen=True, slots=True)
class Aligned:
    """A changed text and where its characters come from."""

    text: str
    alignment: Alignment

    @classmethod
    def unchanged(cls, text: str) -> Aligned:
        """`text` itself."""
        return cls(text, Alignment.identity(len(text)))
