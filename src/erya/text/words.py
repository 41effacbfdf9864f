"""Word segmentation and part-of-speech tags (rjieba: jieba's dictionary and model in Rust)."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import rjieba
from numpy.typing import NDArray

from erya.errors import InputError
from erya.files import require_file
from erya.text.characters import code_points

# Longer than any word, shorter than a paragraph whose line ends were lost.
MAX_WORD_CHARACTERS = 64
_CONTROL = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f]")
_ONE_BLOCK = re.compile(r"[\u4e00-\u9fff]+")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Word:
    """One word: its half-open code-point span and its part of speech (jieba's tag set: n, v, nr, x, ...)."""

    start: int
    end: int
    tag: str


@dataclass(frozen=True, slots=True)
class UserWord:
    """A word of the user's dictionary.

    Attributes:
        text: the word.
        frequency: its count in jieba's dictionary of 60 million; None: as many as it takes to keep it whole.
        tag: its part of speech.
    """

    text: str
    frequency: int | None = None
    tag: str = "n"


class Segmenter:
    """Cuts text into words. One instance holds about 50 MB of dictionary; use it for many texts.

    Args:
        user_words: words to add. They join the dictionary and compete with its other words as their
            frequency allows. Words that rjieba cannot hold whole because it first cuts text at spaces and
            symbols (`iPhone 15`, `《三体》`) are matched before it, longest first, wherever they stand.
        hmm: whether to look for unknown words (names) with the hidden Markov model.
    """

    def __init__(self, user_words: Iterable[UserWord] = (), *, hmm: bool = True) -> None:
        self._hmm = hmm
        self._user_words = tuple(user_words)

    def words(self, text: str) -> list[Word]:
        """The words of `text` in order, covering every character (white space is a word of tag x)."""
        words: list[Word] = []
        start = 0
        for token, tag in self._tagged(without_surrogates(text)):
            words.append(Word(start, start + len(token), tag))
            start += len(token)
        return words

    def starts(self, text: str) -> NDArray[np.bool_]:
        """True where a word begins, bool, shape (len(text),); False at white space.

        Much faster than `words`, and the same boundaries.
        """
        tokens = self._cut(without_surrogates(text))
        starts = np.zeros(len(text) + 1, dtype=np.bool_)
        starts[0] = True
        starts[np.cumsum(np.fromiter(map(len, tokens), dtype=np.int64, count=len(tokens)))] = True
        return starts[:-1] & ~is_space(text)

    def _cut(self, text: str) -> list[str]:
        if self._forced is None:
            tokens: list[str] = self._jieba.cut(text, self._hmm)
            return tokens
        cut: list[str] = []
        for piece, tag in self._pieces(self._forced, text):
            cut.extend([piece] if tag is not None else self._jieba.cut(piece, self._hmm))
        return cut

    def _tagged(self, text: str) -> Iterator[tuple[str, str]]:
        if self._forced is None:
            yield from self._jieba.tag(text, self._hmm)
            return
        for piece, tag in self._pieces(self._forced, text):
            yield from [(piece, tag)] if tag is not None else self._jieba.tag(piece, self._hmm)

    def _pieces(self, forced: re.Pattern[str], text: str) -> Iterator[tuple[str, str | None]]:
        """`text` in order as (forced word, its tag) and (what lies between, None)."""
        done = 0
        for match in forced.finditer(text):
            if done < match.start():
                yield text[done : match.start()], None
            yield match.group(), self._tags[match.group()]
            done = match.end()
        if done < len(text):
            yield text[done:], None

    # The dictionary is read on first use: a Segmenter costs nothing until it cuts.
    @cached_property
    def _jieba(self) -> rjieba.Jieba:
        jieba = rjieba.Jieba()
        for word in self._user_words:
            frequency = jieba.suggest_freq(word.text) if word.frequency is None else word.frequency
            jieba.add_word(word.text, frequency, word.tag)
        return jieba

    @cached_property
    def _forced(self) -> re.Pattern[str] | None:
        split = [word.text for word in self._user_words if not self._keeps_whole(word)]
        if not split:
            return None
        # Longest first: an alternation takes the first that fits. Latin edges must be edges of words.
        parts = [
            (r"(?<![A-Za-z0-9])" if _is_latin(word[0]) else "")
            + re.escape(word)
            + (r"(?![A-Za-z0-9])" if _is_latin(word[-1]) else "")
            for word in sorted(set(split), key=lambda word: (-len(word), word))
        ]
        return re.compile("|".join(parts))

    @cached_property
    def _tags(self) -> dict[str, str]:
        return {word.text: word.tag for word in self._user_words}

    def _keeps_whole(self, word: UserWord) -> bool:
        # A low frequency is the user's wish to let other words win: only what can never match is forced.
        if word.frequency is not None and _ONE_BLOCK.fullmatch(word.text):
            return True
        tokens: list[str] = self._jieba.cut(word.text, False)
        return tokens == [word.text]


def read_user_words(path: Path) -> list[UserWord]:
    """Read a user dictionary: a word a line, with frequency and tag if wanted, as jieba's are.

    Columns are set apart by tabs, or by spaces as in `云计算 5 n`; a word with a space in it needs tabs.

    Raises:
        InputError: the file is missing or empty, or a line is not UTF-8 or not `word [frequency] [tag]`.
    """
    lines = require_file(path).read_bytes().removeprefix(codecs.BOM_UTF8).split(b"\n")
    words = [
        _user_word(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()
    ]
    if not words:
        raise InputError("the user dictionary holds no word", where=str(path))
    return words


def _user_word(data: bytes, where: str) -> UserWord:
    line = _utf8_line(data, where)
    word, *rest = [field.strip() for field in (line.split("\t") if "\t" in line else line.split())]
    if len(word) > MAX_WORD_CHARACTERS:
        said = f"a word of {len(word):,} characters; {MAX_WORD_CHARACTERS} are the most"
        raise InputError(said, where=where, hint="write a word a line: are line ends missing here?")
    match rest:
        case _ if not word:
            pass
        case []:
            return UserWord(word)
        case [frequency] if _is_frequency(frequency):
            return UserWord(word, int(frequency))
        case [tag] if tag.isalpha():
            return UserWord(word, None, tag)
        case [frequency, tag] if _is_frequency(frequency) and tag.isalpha():
            return UserWord(word, int(frequency), tag)
    raise InputError(
        f"not a word with frequency and tag: {line.strip()[:80]!r}",
        where=where,
        hint="write: word [frequency] [tag]; use tabs where the word has a space in it",
    )


def _utf8_line(data: bytes, where: str) -> str:
    try:
        line = data.decode("utf-8")
    except UnicodeDecodeError as error:
        said = f"not UTF-8 from byte {error.start + 1} of the line on"
        raise InputError(said, where=where, hint="save the user dictionary as UTF-8") from None
    if _CONTROL.search(line):
        raise InputError("a control character stands in the line", where=where, hint="remove it")
    return line


def _is_frequency(field: str) -> bool:
    # More digits would be no count of words.
    return field.isdecimal() and len(field) <= 12


def _is_latin(character: str) -> bool:
    return character.isascii() and character.isalnum()


def is_space(text: str) -> NDArray[np.bool_]:
    """True at white space, bool, shape (len(text),)."""
    spaces: NDArray[np.bool_] = _spaces()[code_points(text)]
    return spaces


def without_surrogates(text: str) -> str:
    """`text` with U+FFFD for each lone surrogate, which UTF-8, and so rjieba and pkuseg, cannot hold."""
    return _SURROGATE.sub("\ufffd", text)


@cache
def _spaces() -> NDArray[np.bool_]:
    """True for the code points that are white space, shape (0x110000,)."""
    spaces = np.zeros(0x110000, dtype=np.bool_)
    spaces[[code for code in range(0x3001) if chr(code).isspace()]] = True
    return spaces
