"""Shards in memory, with the reading side of the real ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CLS, SEP, MASK, VOCAB = 2, 3, 4, 50


class FakeShard:
    """Documents of sentences of 1 to 12 tokens; a token in two begins a word."""

    def __init__(self, seed: int, *, documents: int = 20) -> None:
        rng = np.random.default_rng(seed)
        sentences = [rng.integers(1, 13, rng.integers(1, 10)) for _ in range(documents)]
        ends = np.cumsum(np.concatenate(sentences))
        self.tokens: NDArray[np.uint16] = rng.integers(5, VOCAB, ends[-1]).astype(np.uint16)
        self.sentences = self._marks(ends)
        self.documents = self._marks(np.cumsum([lengths.sum() for lengths in sentences]))
        self.words = rng.random(len(self.tokens)) < 0.5

    def _marks(self, ends: NDArray[np.int64]) -> NDArray[np.bool_]:
        marks = np.zeros(len(self.tokens), dtype=bool)
        marks[ends - 1] = True
        return marks

    def word_starts(self, start: int, stop: int) -> NDArray[np.bool_]:
        return self.words[start:stop]

    def sentence_ends(self, start: int, stop: int) -> NDArray[np.bool_]:
        return self.sentences[start:stop]

    def document_ends(self, start: int, stop: int) -> NDArray[np.bool_]:
        return self.documents[start:stop]
