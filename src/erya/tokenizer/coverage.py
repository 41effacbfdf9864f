"""How well a vocabulary fits a text it was not trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from erya.tokenizer.wordpiece import Tokenizer


@dataclass
class Coverage:
    """Counts over a text.

    Attributes:
        documents: how many texts.
        characters: characters in them, white space left out.
        tokens: tokens they became.
        unknown: how many of those are [UNK].
        unknown_characters: the characters under them, with counts.
    """

    documents: int = 0
    characters: int = 0
    tokens: int = 0
    unknown: int = 0
    unknown_characters: Counter[str] = field(default_factory=Counter)

    @property
    def covered_share(self) -> float:
        """Share of the characters that are in the vocabulary, in [0, 1]."""
        return 1 - sum(self.unknown_characters.values()) / max(self.characters, 1)

    @property
    def unknown_share(self) -> float:
        """Share of the tokens that are unknown, in [0, 1]."""
        return self.unknown / max(self.tokens, 1)

    def worst(self, count: int) -> str:
        """The `count` most frequent unknown characters."""
        ranked = sorted(self.unknown_characters.items(), key=lambda item: (-item[1], item[0]))
        return "".join(char for char, _ in ranked[:count])


def measure_coverage(tokenizer: Tokenizer, texts: Iterable[str]) -> Coverage:
    """Tokenise `texts` and count what the vocabulary does not know."""
    coverage = Coverage()
    for text in texts:
        pieces = tokenizer.flat_pieces([text], literals=False)
        unknown = np.flatnonzero(pieces.ids == tokenizer.unk_id)
        coverage.documents += 1
        coverage.characters += sum(not char.isspace() for char in text)
        coverage.tokens += len(pieces.ids)
        coverage.unknown += len(unknown)
        for start, end in pieces.spans[unknown].tolist():
            coverage.unknown_characters.update(text[start:end])
    return coverage
