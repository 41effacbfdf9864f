"""The characters that a set of words is written with, numbered, to search texts by small numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from erya.tokenizer.characters import PAGE_SIZE, PageTable

Units = Callable[[NDArray[np.int32]], NDArray[np.int32]]


class Alphabet:
    """Numbers of characters: those that begin a word have the highest, those in no word 0.

    Args:
        words: what is to be written, in units.
        units: for code points what each becomes by itself: a unit, or a number below 0, which stays; without
            it each is a unit as it is.
    """

    def __init__(self, words: Sequence[Sequence[int]], *, units: Units | None = None) -> None:
        firsts = {word[0] for word in words}
        others = {unit for word in words for unit in word} - firsts
        self._numbers = {unit: number for number, unit in enumerate([*sorted(others), *sorted(firsts)], 1)}
        self._units = units
        self._letters = PageTable(self._page)

    def __len__(self) -> int:
        """How many numbers there are, 0 among them."""
        return len(self._numbers) + 1

    def spell(self, word: Iterable[int]) -> list[int]:
        """The numbers of the units of one of the words."""
        return [self._numbers[unit] for unit in word]

    def __call__(self, codes: NDArray[np.int32]) -> NDArray[np.int32]:
        """The numbers of code points in an array of their own.

        Args:
            codes: code points, shape (C,).
        """
        return self._letters(codes)

    def _page(self, page: int) -> NDArray[np.int32]:
        codes = np.arange(page * PAGE_SIZE, (page + 1) * PAGE_SIZE, dtype=np.int32)
        units = (codes if self._units is None else self._units(codes)).tolist()
        return np.array([unit if unit < 0 else self._numbers.get(unit, 0) for unit in units], dtype=np.int32)
