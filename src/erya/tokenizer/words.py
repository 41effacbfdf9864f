"""The careful path: text to words with the place of every character, one character at a time.

The fast path (`lookup`) comes here for runs it has not met yet; Chinese text has few of them.
"""

from __future__ import annotations

import string
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Protocol

from tokenizers import normalizers, pre_tokenizers

from erya.tokenizer.characters import (
    PAGE_SIZE,
    RUN,
    SPACE,
    bert_normalizer,
    cut_kinds,
    native_folded,
    native_kinds,
)
from erya.tokenizer.spec import Rules

_PLAIN_LOWER = string.ascii_lowercase + string.digits
_PLAIN = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Normalised:
    """Normalised text; `origins[i]` is the place in the original of the character `text[i]` comes from."""

    text: str
    origins: list[int]

    def part(self, start: int, end: int) -> Normalised:
        """Characters `start` to `end`."""
        return Normalised(self.text[start:end], self.origins[start:end])

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The stretch of the original that characters `start` to `end` come from."""
        origins = self.origins[start:end]
        return min(origins), max(origins) + 1


class Cutter(Protocol):
    """How one mode turns text into words."""

    def plain_word(self, run: str) -> str | None:
        """The normalised run, if it is one word whose characters stay where they are: most are."""

    def normalise(self, text: str) -> Normalised:
        """Normalise `text`, keeping track of where each character comes from."""

    def words(self, text: Normalised) -> list[Normalised]:
        """Cut normalised text into words; white space belongs to none."""


class ReferenceCutter:
    """What BertNormalizer and BertPreTokenizer do, with places."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        # Bounded, and kept by the cutter: looking rules up for every character costs more than the rest.
        self._open = lru_cache(maxsize=1 << 16)(partial(_open, rules=rules))
        self._close = lru_cache(maxsize=1 << 16)(partial(_close, rules=rules))

    def plain_word(self, run: str) -> str | None:
        """See `Cutter`: ASCII letters and digits, to which no rule but case folding applies."""
        if not (run.isascii() and run.isalnum()):
            return None
        return run.lower() if self._rules.lowercase else run

    def normalise(self, text: str) -> Normalised:
        """Clean, space out Hanzi, decompose, drop marks, fold case: the reference's order."""
        decomposed = [(char, place) for place, source in enumerate(text) for char in self._open(source)]
        if self._rules.strip_accents and not text.isascii():
            decomposed = _reorder(decomposed)
        closed = [(char, place) for source, place in decomposed for char in self._close(source)]
        return Normalised("".join(char for char, _ in closed), [place for _, place in closed])

    def words(self, text: Normalised) -> list[Normalised]:
        """Cut at white space and around every punctuation mark."""
        words, start = [], 0
        for place, char in enumerate(text.text):
            kind = _bert_kind(char)
            if kind == RUN:
                continue
            if place > start:
                words.append(text.part(start, place))
            if kind != SPACE:
                words.append(text.part(place, place + 1))
            start = place + 1
        if start < len(text.text):
            words.append(text.part(start, len(text.text)))
        return words


class NativeCutter:
    """Runs of the alphabet in stretches of at most `max_word_length`, everything else one by one."""

    def __init__(self, rules: Rules, alphabet: frozenset[str]) -> None:
        self._rules, self._alphabet = rules, alphabet
        self._has_ascii = alphabet.issuperset(_PLAIN_LOWER if rules.lowercase else _PLAIN)

    def plain_word(self, run: str) -> str | None:
        """See `Cutter`: ASCII letters and digits, if all of these form runs."""
        if not (
            self._has_ascii and run.isascii() and run.isalnum() and len(run) <= self._rules.max_word_length
        ):
            return None
        return run.lower() if self._rules.lowercase else run

    def normalise(self, text: str) -> Normalised:
        """Fold case and width, one character to one character."""
        folded = "".join(_fold(char, lowercase=self._rules.lowercase) for char in text)
        return Normalised(folded, list(range(len(text))))

    def words(self, text: Normalised) -> list[Normalised]:
        """Cut at white space, around everything that stands alone, and where a run grows too long."""
        words, start, longest = [], 0, self._rules.max_word_length
        for place, char in enumerate(text.text):
            kind = self._kind(char)
            if place > start and (kind != RUN or place - start == longest):
                words.append(text.part(start, place))
                start = place
            if kind != RUN:
                words.extend([text.part(place, place + 1)] if kind != SPACE else [])
                start = place + 1
        if start < len(text.text):
            words.append(text.part(start, len(text.text)))
        return words

    def _kind(self, char: str) -> int:
        page, place = divmod(ord(char), PAGE_SIZE)
        return int(native_kinds(page, self._alphabet, lowercase=self._rules.lowercase)[place])


def _fold(char: str, *, lowercase: bool) -> str:
    page, place = divmod(ord(char), PAGE_SIZE)
    return native_folded(page, lowercase=lowercase)[place]


def _open(char: str, rules: Rules) -> str:
    """Clean one character, space it out if it is a Hanzi, and decompose it if accents are to go."""
    early = Rules(lowercase=False, strip_accents=False, split_hanzi=rules.split_hanzi, clean=rules.clean)
    cleaned = bert_normalizer(early).normalize_str(char)
    return normalizers.NFD().normalize_str(cleaned) if rules.strip_accents else cleaned


def _close(char: str, rules: Rules) -> str:
    """Drop a decomposed character if it is a mark and marks are to go, otherwise fold its case."""
    late = Rules(lowercase=rules.lowercase, strip_accents=rules.strip_accents, split_hanzi=False, clean=False)
    return bert_normalizer(late).normalize_str(char)


def _reorder(decomposed: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Put marks on one letter into canonical order, as decomposition does.

    Most marks are dropped afterwards, but some are not (Hangul tone marks, musical stems), and for those
    the order shows in the ids. Order among equal marks is kept, so the places can be dealt out in turn.
    """
    before = "".join(char for char, _ in decomposed)
    after = normalizers.NFD().normalize_str(before)
    if after == before:
        return decomposed
    places: dict[str, list[int]] = defaultdict(list)
    for char, place in reversed(decomposed):
        places[char].append(place)
    return [(char, places[char].pop()) for char in after]


@lru_cache(maxsize=65536)
def _bert_kind(char: str) -> int:
    return int(cut_kinds([char], pre_tokenizers.BertPreTokenizer())[0])
