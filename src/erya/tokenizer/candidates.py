"""What a corpus would like a vocabulary to have: unknown characters, and words worth a token."""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from erya.text.script_of import NOT_HANZI, hanzi_scripts
from erya.text.words import Segmenter
from erya.tokenizer.counts import TextCounts
from erya.tokenizer.extend import ids_of_each
from erya.tokenizer.wordpiece import Tokenizer

_CHUNK = 1 << 20
_MAX_WORDS = 2_000_000
# Control characters, private use, unassigned, surrogates: no text means them.
_MEANINGLESS = ("Cc", "Co", "Cn", "Cs")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A character or word that could join.

    Attributes:
        text: how it is written.
        count: how often it was met.
        saved: tokens its joining saves in the text it was met in; 0 for a character, which stays one token.
    """

    text: str
    count: int
    saved: int = 0


class Candidates:
    """Counts a stream of texts, in bounded memory.

    Args:
        tokenizer: whose vocabulary is to be extended.
        segmenter: cuts words; None where no words are looked for, which is much faster.
    """

    def __init__(self, tokenizer: Tokenizer, segmenter: Segmenter | None = None) -> None:
        self._tokenizer, self._segmenter = tokenizer, segmenter
        self.counts = TextCounts(lowercase=tokenizer.lowercase)
        self._words: Counter[str] = Counter()
        self._waiting: list[str] = []
        self._waiting_characters = 0

    def add(self, text: str) -> None:
        """Count one text."""
        self.counts.add(text)
        if self._segmenter is None:
            return
        self._waiting.append(text)
        self._waiting_characters += len(text) + 1
        if self._waiting_characters >= _CHUNK:
            self._count_words(self._segmenter)

    def characters(self, limit: int, *, min_frequency: int) -> list[Candidate]:
        """Characters that are [UNK], the most frequent first.

        Args:
            limit: how many at most.
            min_frequency: how often one must be met.
        """
        self.counts.flush()
        seen = self.counts.visible()
        codes = np.flatnonzero(seen >= max(min_frequency, 1))
        codes = codes[np.argsort(-seen[codes], kind="stable")]
        chars = [char for char in map(chr, codes.tolist()) if unicodedata.category(char) not in _MEANINGLESS]
        ids = ids_of_each(self._tokenizer, chars)
        unknown = [char for char, of in zip(chars, ids, strict=True) if of == [self._tokenizer.unk_id]]
        return [Candidate(char, int(seen[ord(char)])) for char in unknown[:limit]]

    def words(self, limit: int, *, min_frequency: int) -> list[Candidate]:
        """Words of at least two Hanzi, those first that save most tokens.

        Args:
            limit: how many at most.
            min_frequency: how often one must be met.
        """
        if self._segmenter is not None and self._waiting:
            self._count_words(self._segmenter)
        words = [word for word, count in self._words.items() if count >= max(min_frequency, 1)]
        lengths = np.diff(self._tokenizer.flat_pieces(words).bounds).tolist()
        found = [
            Candidate(word, self._words[word], self._words[word] * (length - 1))
            for word, length in zip(words, lengths, strict=True)
            if length > 1
        ]
        return sorted(found, key=lambda word: (-word.saved, word.text))[:limit]

    def _count_words(self, segmenter: Segmenter) -> None:
        text = "\n".join(self._waiting)
        self._waiting, self._waiting_characters = [], 0
        starts, ends = _hanzi_words(text, segmenter.starts(text))
        self._words.update(text[a:b] for a, b in zip(starts.tolist(), ends.tolist(), strict=True))
        while len(self._words) > _MAX_WORDS:
            least = min(self._words.values())
            self._words = Counter({word: count for word, count in self._words.items() if count > least})


def _hanzi_words(text: str, word_starts: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where words of at least two Hanzi begin and end; a word with anything else in it counts in parts."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    is_hanzi = np.zeros(len(text) + 2, dtype=np.bool_)
    is_hanzi[1:-1] = hanzi_scripts()[codes] != NOT_HANZI
    begins = np.zeros(len(text) + 1, dtype=np.bool_)
    begins[:-1] = word_starts
    cut = begins | ~is_hanzi[:-1] | ~is_hanzi[1:]
    edges = np.flatnonzero(cut)
    starts, ends = edges[:-1], edges[1:]
    kept = (ends - starts >= 2) & is_hanzi[starts + 1]
    return starts[kept], ends[kept]
