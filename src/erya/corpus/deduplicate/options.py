"""What counts as a duplicate, and what becomes of it."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field

from erya.config import StrictModel

# A band is this many minima of 16 bits side by side: one 64-bit number, equal or not.
ROWS = 4
_MAX_NGRAM = 16


class DeduplicateOptions(StrictModel):
    """How duplicates are found. Of documents that are the same the first is kept, whatever else is chosen.

    Attributes:
        near: whether documents that are nearly the same as an earlier one that is kept are dropped, kept and
            marked with the cluster they share, or not looked for.
        threshold: the share of common n-grams (Jaccard similarity) from which two documents are nearly the
            same.
        ngram: characters in an n-gram. Bigrams: a tenth of the characters edited leaves two Chinese
            documents 0.7 of their bigrams and 0.44 of their 5-grams. Documents in an alphabet are compared by
            three times as many, at most 16: any two pages of English share most bigrams.
        permutations: minima in a signature, a multiple of four; the estimate of a similarity has a standard
            deviation of at most 0.5 / sqrt(permutations), and every four of them are a band.
        near_characters: documents with fewer letters, digits and Hanzi than this are never nearly the same:
            a word tells them apart.
        lines: whether lines that stand in several documents are dropped from all but the first.
        line_documents: how many documents a line must stand in.
        min_line_characters: shorter lines, white space left out, always stay.
        seed: of the hash functions.
    """

    near: Literal["drop", "mark", "off"] = "drop"
    threshold: Annotated[float, Field(ge=0.3, le=1.0)] = 0.5
    ngram: Annotated[int, Field(ge=1, le=_MAX_NGRAM)] = 2
    permutations: Annotated[int, Field(ge=16, le=1024, multiple_of=ROWS)] = 128
    near_characters: Annotated[int, Field(ge=_MAX_NGRAM)] = 30
    lines: Literal["drop", "off"] = "drop"
    line_documents: Annotated[int, Field(ge=2)] = 10
    min_line_characters: Annotated[int, Field(ge=1)] = 12
    seed: Annotated[int, Field(ge=0, lt=2**64)] = 0

    @property
    def bands(self) -> int:
        """How many bands a signature has."""
        return self.permutations // ROWS

    @property
    def alphabetic_ngram(self) -> int:
        """Characters in an n-gram of a document in an alphabet: as much as says as much."""
        return min(3 * self.ngram, _MAX_NGRAM)

    @property
    def enough(self) -> int:
        """Equal minima of two signatures from which their documents are nearly the same."""
        return math.ceil(self.threshold * self.permutations)
