"""What a text is made of: how often each character, and each run of letters, was met."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from erya.tokenizer.characters import NUM_PAGES, PAGE_SIZE, SPACE, may_run, native_folded, native_kinds

_CODES = NUM_PAGES * PAGE_SIZE
_NOT_FOLDED = np.uint32(0xFFFFFFFF)
_MAX_RUNS = 2_000_000
_CHUNK = 1 << 20
# Letters beyond this are too many and too rare for pieces; they stand alone.
RUN_LETTERS = frozenset(filter(may_run, map(chr, range(0x600))))


class TextCounts:
    """Counts a stream of texts as `native` mode folds them, in bounded memory.

    Args:
        lowercase: fold case.
    """

    def __init__(self, *, lowercase: bool = True) -> None:
        self.documents = 0
        self.characters = 0
        self.codes: NDArray[np.int64] = np.zeros(_CODES, dtype=np.int64)
        self.runs: Counter[str] = Counter()
        self._lowercase = lowercase
        self._folded = np.full(_CODES, _NOT_FOLDED, dtype=np.uint32)
        self._pattern = re.compile(f"[{''.join(sorted(RUN_LETTERS))}]+")
        self._waiting: list[str] = []
        self._waiting_characters = 0

    def add(self, text: str) -> None:
        """Count one text."""
        self.documents += 1
        self.characters += len(text)
        self._waiting.append(text)
        self._waiting_characters += len(text) + 1
        if self._waiting_characters >= _CHUNK:
            self.flush()

    def flush(self) -> None:
        """Count what was only collected so far. Then `codes` and `runs` are those of all texts."""
        joined = " ".join(self._waiting)
        codes = self._fold(np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32))
        self.codes += np.bincount(codes, minlength=_CODES)
        self.runs.update(self._pattern.findall(codes.tobytes().decode("utf-32-le", "surrogatepass")))
        while len(self.runs) > _MAX_RUNS:
            # A run met once in so many will not earn a piece.
            least = min(self.runs.values())
            self.runs = Counter({run: count for run, count in self.runs.items() if count > least})
        self._waiting, self._waiting_characters = [], 0

    def visible(self) -> NDArray[np.int64]:
        """How often each code point was met; 0 for white space, control characters and damage.

        Returns:
            int64, shape (0x110000,).
        """
        counts = self.codes.copy()
        for page in range(NUM_PAGES):
            part = counts[page * PAGE_SIZE : (page + 1) * PAGE_SIZE]
            if part.any():
                part[native_kinds(page, frozenset(), lowercase=self._lowercase) == SPACE] = 0
        counts[:0x20] = counts[0x7F:0xA0] = 0
        counts[0xD800:0xE000] = counts[0xFFFD] = 0
        return counts

    def _fold(self, codes: NDArray[np.uint32]) -> NDArray[np.uint32]:
        folded = self._folded[codes]
        missing = codes[folded == _NOT_FOLDED]
        if not len(missing):
            return folded
        for page in np.unique(missing // PAGE_SIZE).tolist():
            targets = [ord(char) for char in native_folded(page, lowercase=self._lowercase)]
            self._folded[page * PAGE_SIZE : (page + 1) * PAGE_SIZE] = targets
        return self._folded[codes]
