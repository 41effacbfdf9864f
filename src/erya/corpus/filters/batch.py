"""Many texts as one run of code points, with what several filters want to know of them.

Letters: C characters in all, D documents, K kinds of characters.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from erya.corpus.filters.classes import NUM_KINDS, Kind, kinds
from erya.text.characters import code_points


class TextBatch:
    """Texts laid end to end, a line feed after each, so that every line and every document ends in one.

    Args:
        texts: cleaned texts, D of them, without lone surrogates.
        removed: characters of boilerplate taken out of each before, int64, shape (D,); None: none.

    Attributes:
        texts: the texts.
        joined: the texts with a line feed after each.
        codes: its code points, uint32, shape (C,).
        bounds: where each document begins, and the end of the last, int64, shape (D + 1,).
        lengths: characters of each text without the line feed that was added, int64, shape (D,).
        removed: as given, or zeros.
    """

    def __init__(self, texts: Sequence[str], *, removed: NDArray[np.int64] | None = None) -> None:
        self.texts = list(texts)
        self.joined = "\n".join([*self.texts, ""])
        self.codes = code_points(self.joined)
        self.lengths = np.fromiter(map(len, self.texts), dtype=np.int64, count=len(self.texts))
        self.bounds = np.zeros(len(self.texts) + 1, dtype=np.int64)
        np.cumsum(self.lengths + 1, out=self.bounds[1:])
        self.removed = np.zeros(len(self.texts), dtype=np.int64) if removed is None else removed

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def documents(self) -> NDArray[np.int64]:
        """The document each character belongs to, int64, shape (C,)."""
        return np.repeat(np.arange(len(self), dtype=np.int64), self.lengths + 1)

    @cached_property
    def kinds(self) -> NDArray[np.uint8]:
        """The `Kind` of each character, uint8, shape (C,)."""
        return kinds()[self.codes]

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Characters of each kind, int64, shape (D, K). The line feed after a document does not count."""
        keys = self.documents * NUM_KINDS
        keys += self.kinds
        counts = np.bincount(keys, minlength=len(self) * NUM_KINDS).reshape(len(self), NUM_KINDS)
        counts[:, Kind.SPACE] -= 1
        return counts

    @cached_property
    def visible(self) -> NDArray[np.int64]:
        """Characters of each document that are not white space, int64, shape (D,)."""
        return self.lengths - self.counts[:, Kind.SPACE]

    def codes_of(self, document: int) -> NDArray[np.uint32]:
        """The code points of one document."""
        return self.codes[self.bounds[document] : self.bounds[document + 1] - 1]

    def kinds_of(self, document: int) -> NDArray[np.uint8]:
        """The kinds of the characters of one document."""
        return self.kinds[self.bounds[document] : self.bounds[document + 1] - 1]

    def share(self, *of: Kind) -> NDArray[np.float64]:
        """The share of characters of these kinds among those that are not white space.

        Returns:
            float64, shape (D,); 0 for a document of nothing but white space.
        """
        share: NDArray[np.float64] = self.counts[:, list(of)].sum(axis=1) / np.maximum(self.visible, 1)
        return share

    def count_by_document(self, is_marked: NDArray[np.bool_]) -> NDArray[np.int64]:
        """How many characters of each document are marked, bool (C,) to int64 (D,)."""
        if not len(self):
            return np.zeros(0, dtype=np.int64)
        return np.add.reduceat(is_marked, self.bounds[:-1], dtype=np.int64)
