"""A file of words, one a line: what `erya vocab extend` is told to add."""

from __future__ import annotations

import codecs
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from erya.errors import InputError
from erya.files import open_binary

MAX_WORD_LENGTH = 100


@dataclass(frozen=True, slots=True)
class WordList:
    """The words of a file.

    Attributes:
        words: each once, in order.
        repeated: lines that say a word again.
    """

    words: tuple[str, ...]
    repeated: int


def read_word_list(path: Path) -> WordList:
    """Read a file of words. White space around a word and blank lines do not count.

    Raises:
        InputError: the file is missing or holds no word, or a line is not UTF-8 text, holds more than one
            word, a control character or more than 100 characters; names the line.
    """
    words: dict[str, int] = {}
    repeated = 0
    with open_binary(path) as stream:
        for number, line in enumerate(stream, 1):
            word = _word(line, f"{path}, line {number}")
            repeated += word in words
            if word:
                words.setdefault(word, number)
    if not words:
        raise InputError("the file holds no word", where=str(path), hint="write one a line")
    return WordList(tuple(words), repeated)


def _word(line: bytes, where: str) -> str:
    try:
        word = line.removeprefix(codecs.BOM_UTF8).decode("utf-8").strip()
    except UnicodeDecodeError:
        raise InputError("not UTF-8 text", where=where, hint="convert it: erya text clean FILE") from None
    if any(char.isspace() for char in word):
        raise InputError(
            f"white space inside a word: {word[:50]!r}",
            where=where,
            hint="write one word a line, nothing else",
        )
    if any(unicodedata.category(char) == "Cc" for char in word):
        raise InputError(f"a control character inside a word: {word[:50]!r}", where=where)
    if len(word) > MAX_WORD_LENGTH:
        raise InputError(
            f"a word of {len(word)} characters, {MAX_WORD_LENGTH} at most", where=where, hint="is it a text?"
        )
    return word
