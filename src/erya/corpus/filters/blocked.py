"""Blocked words: documents with words the user does not want."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from erya.corpus.filters.batch import TextBatch
from erya.corpus.filters.options import FilterOptions
from erya.corpus.filters.word_matcher import WordMatcher
from erya.errors import InputError
from erya.files import require_file


def blocked_words(batch: TextBatch, options: FilterOptions) -> NDArray[np.bool_]:
    """The document has `blocked_occurrences` and more of the blocked words."""
    if not options.blocked_words:
        return np.zeros(len(batch), dtype=np.bool_)
    places = _matcher(options.blocked_words).find(batch.codes)
    counts = np.bincount(batch.documents[places], minlength=len(batch))
    return counts >= options.blocked_occurrences


def read_blocked_words(path: Path) -> tuple[str, ...]:
    """Read a list of words, one a line; empty lines and lines that begin with # are left out.

    Raises:
        InputError: the file is missing, not UTF-8 or holds no word, or a line holds a single character or
            a tab.
    """
    try:
        lines = require_file(path).read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InputError("the list of blocked words is not UTF-8", where=f"{path}, line {line}") from None
    words = [
        _word(line.strip(), f"{path}, line {number}")
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.startswith("#")
    ]
    if not words:
        raise InputError("the list of blocked words is empty", where=str(path))
    return tuple(dict.fromkeys(words))


def _word(word: str, where: str) -> str:
    if len(word) < 2:
        raise InputError(
            f"a blocked word has at least two characters, not {word!r}",
            where=where,
            hint="one character stands in too many honest texts; write the words it is part of",
        )
    if "\t" in word:
        raise InputError("a line of blocked words holds a tab", where=where, hint="write one word a line")
    return word


@lru_cache(maxsize=2)
def _matcher(words: tuple[str, ...]) -> WordMatcher:
    return WordMatcher(words)
