"""A sample spread over a whole corpus, chosen while reading, without reading what is left out."""

from __future__ import annotations

import math

# A sample comes from at least so many places where the corpus has them.
_MIN_PLACES = 64


class Sample:
    """Says how much to take from where one has come to. The same corpus gives the same sample.

    Nothing is drawn: reading always follows the wanted share, so the beginning, the middle and the end of a
    corpus are all in the sample, and its size need not be known beforehand in characters.

    Args:
        characters: how many to take in all, about; None takes everything.
    """

    def __init__(self, characters: int | None) -> None:
        self._wanted = math.inf if characters is None else characters
        self._taken = 0

    def missing(self, share_read: float) -> float:
        """How many characters to take still when so much of the corpus, in [0, 1], will have been passed."""
        return self._wanted * share_read - self._taken

    def is_worth(self, share_read: float, characters: int) -> bool:
        """Whether to open a part of so many characters that ends at `share_read`.

        A part is opened when all of it is wanted, or enough that the sample comes from many places: opening
        each of a thousand files for one document would take as long as reading them all.
        """
        return self.missing(share_read) >= min(characters, self._wanted / _MIN_PLACES)

    def take(self, characters: int) -> None:
        """Count what was taken."""
        self._taken += characters
