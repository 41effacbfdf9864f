"""Added tokens: found in the texts before anything is cut into words.

Some are looked for in the text as it is ("[MASK]"), some, later, in the normalised text: words that a
vocabulary was extended by, tens of thousands perhaps. A unit is a character after normalisation.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from erya.tokenizer.characters import GONE, MANY, PageTable
from erya.tokenizer.finder import Finder, Found, is_flagged
from erya.tokenizer.joined import Joined, join
from erya.tokenizer.spec import AddedToken
from erya.tokenizer.trie import Trie
from erya.tokenizer.words import Normalised


class AddedTokens:
    """Finds the added tokens of texts.

    Args:
        tokens: what to look for.
        normalise: normalises a text.
        units: for each code point what it becomes by itself: one code point, GONE or MANY.
        one_to_one: whether that is all there is to `normalise`: nothing goes, comes or moves.
    """

    def __init__(
        self,
        tokens: Sequence[AddedToken],
        *,
        normalise: Callable[[str], Normalised],
        units: PageTable,
        one_to_one: bool,
    ) -> None:
        early = [token for token in tokens if not token.normalized]
        self._early = Finder(early, [_codes(token.content) for token in early])
        self._late = [token for token in tokens if token.normalized]
        self._normalise = normalise
        self._units = units
        easy, cores = [], []
        for token in self._late:
            written = self._units_of(token.content)
            if is_flagged(token) or not (one_to_one or _is_easy(written)):
                cores.append(_core(written))
            else:
                easy.append((token, written))
        self._easy = Finder([token for token, _ in easy], [written for _, written in easy], units=units)
        self._has_hard = bool(cores)
        self._always_careful = not all(cores)
        self._cores = Trie([core for core in cores if core], units=units)

    def find(self, joined: Joined) -> tuple[Found | None, list[int]]:
        """The added tokens in all texts.

        Returns:
            The tokens, None for none; and the texts that must be split one by one (`split`), because some
            token may be in them whose places only the whole normalised text can tell.
        """
        early = None
        if self._early.may_occur_in(joined.text):
            early = self._early.find(joined, self._letters(self._early.trie, joined, None)) or None
        if not self._late or not len(joined.codes):
            return early, []
        return self._find_late(joined, early)

    def _find_late(self, joined: Joined, early: Found | None) -> tuple[Found | None, list[int]]:
        letters = self._letters(self._easy.trie, joined, early)
        if letters.min() >= 0 and not self._has_hard:
            return _merge(early, self._easy.find(joined, letters)), []
        places = np.flatnonzero(letters != GONE)
        letters = letters.take(places)
        careful = self._careful(joined, early, places, np.flatnonzero(letters == MANY))
        easy = self._easy.find(joined, np.maximum(letters, 0))
        # A token takes what has gone from between its characters along, not what has gone from behind it.
        found = Found(easy.ids, places[easy.starts], places[easy.ends - 1] + 1)
        return _merge(early, found), careful

    def _careful(
        self, joined: Joined, early: Found | None, places: NDArray[np.int64], many: NDArray[np.int64]
    ) -> list[int]:
        """Texts with a character that becomes many, or with what a hard token must have."""
        if self._always_careful:
            return list(range(len(joined)))
        letters = self._letters(self._cores, joined, early).take(places)
        hints = np.concatenate([many, self._cores.find(np.maximum(letters, 0))[0]])
        at = places[hints]
        return np.unique(np.searchsorted(joined.starts, at, side="right") - 1).tolist()  # type: ignore[no-any-return]

    def _letters(self, trie: Trie, joined: Joined, early: Found | None) -> NDArray[np.int32]:
        """The texts as `trie` reads them, with nothing behind each text and in tokens that were found."""
        letters = trie.letters(joined.codes)
        letters[joined.ends] = 0
        if early is not None:
            letters[early.inside(len(letters))] = 0
        return letters

    def split(self, text: str) -> Iterator[tuple[int | None, Normalised]]:
        """The added tokens of one text and what stands between them, normalised, as (id or None, text)."""
        done = 0
        for id, start, end in _find_in(self._early, text):
            yield from self._split_late(text[done:start], done)
            yield id, Normalised(text[start:end], list(range(start, end)))
            done = end
        yield from self._split_late(text[done:], done)

    def _split_late(self, text: str, place: int) -> Iterator[tuple[int | None, Normalised]]:
        own = self._normalise(text)
        normalised = Normalised(own.text, [place + origin for origin in own.origins])
        done = 0
        for id, start, end in _find_in(self._late_finder, normalised.text):
            yield None, normalised.part(done, start)
            yield id, normalised.part(start, end)
            done = end
        yield None, normalised.part(done, len(normalised.text))

    @cached_property
    def _late_finder(self) -> Finder:
        return Finder(self._late, [_codes(self._normalise(token.content).text) for token in self._late])

    def _units_of(self, content: str) -> list[int]:
        units = self._units(np.array(_codes(content), dtype=np.int32))
        return units[units != GONE].tolist()  # type: ignore[no-any-return]


def _codes(text: str) -> list[int]:
    return list(map(ord, text))


def _is_mark_or_space(unit: int) -> bool:
    return chr(unit).isspace() or unicodedata.category(chr(unit)).startswith("M")


def _is_easy(units: Sequence[int]) -> bool:
    """Whether a token of these units is in a text just where they are: no mark moves, no space is new."""
    return not any(unit == MANY or _is_mark_or_space(unit) for unit in units)


def _core(units: Sequence[int]) -> list[int]:
    """The longest stretch of units of a token that must be in a text that has the token."""
    stretches: list[list[int]] = [[]]
    for unit in units:
        if unit == MANY or _is_mark_or_space(unit):
            stretches.append([])
        else:
            stretches[-1].append(unit)
    return max(stretches, key=len)


def _find_in(finder: Finder, text: str) -> Iterator[tuple[int, int, int]]:
    joined = join([text])
    letters = finder.trie.letters(joined.codes)
    letters[-1] = 0
    found = finder.find(joined, letters)
    yield from zip(found.ids.tolist(), found.starts.tolist(), found.ends.tolist(), strict=True)


def _merge(first: Found | None, second: Found) -> Found | None:
    if not len(second):
        return first
    if first is None:
        return second
    starts = np.concatenate([first.starts, second.starts])
    order = np.argsort(starts, kind="stable")
    ids, ends = np.concatenate([first.ids, second.ids]), np.concatenate([first.ends, second.ends])
    return Found(ids.take(order), starts.take(order), ends.take(order))
