"""The exact places of a library's tokens: what its own offsets leave to mend.

They count code points of the original text, but: a marker of a space ("▁", "Ġ") takes the space along, or
the first character of a word that has none before it; of a letter and a mark that become one character only
the letter is named; and where a compiled normaliser drops the first character of a stretch, everything behind
it is one place off.

C code points, N tokens, T texts.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import chain

import numpy as np
import tokenizers
from numpy.typing import NDArray

from erya.tokenizer.joined import Joined

Spans = NDArray[np.int64]
Tokens = tuple[list[int], list[tuple[int, int]]]

# Markers of a space: SentencePiece's, and the one of byte-level vocabularies.
MARKERS = ("▁", "Ġ")
_KNOWN, _SPACE, _DROPPED, _JOINING = 1, 2, 4, 8


class Characters:
    """What a normaliser does to single characters, looked up once each.

    Args:
        normalise: the normaliser; None where there is none.
    """

    def __init__(self, normalise: Callable[[str], str] | None) -> None:
        self._normalise = normalise
        self._traits = np.zeros(0x110000, dtype=np.uint8)

    def traits(self, codes: NDArray[np.int32]) -> NDArray[np.uint8]:
        """The traits of code points, shape (C,)."""
        for code in np.unique(codes[self._traits[codes] == 0]).tolist():
            self._traits[code] = _KNOWN | self._look(chr(code))
        return self._traits[codes]

    @cached_property
    def _between(self) -> tuple[str, str]:
        assert self._normalise is not None
        return self._normalise("aa"), self._normalise("a a")

    def _look(self, char: str) -> int:
        if self._normalise is None:
            return _SPACE if char.isspace() else 0
        nothing, space = self._between
        found = self._normalise(f"a{char}a")
        traits = _JOINING if _joins(char) else 0
        if char.isspace() or found == space:
            traits |= _SPACE
        return traits | _DROPPED if found == nothing else traits


def _joins(char: str) -> bool:
    """Whether a character may become one with what stands before it: a mark, or a part of a syllable."""
    first = unicodedata.normalize("NFKD", char)[0]
    return unicodedata.category(first).startswith("M") or "\u1160" <= first <= "\u11ff"


class SpanMender:
    """Turns a library's offsets into spans.

    Args:
        library: a tokenizer without a post-processor.
        unk_id: the token of what it does not know.
    """

    def __init__(self, library: tokenizers.Tokenizer, *, unk_id: int) -> None:
        self._library = library
        normaliser = library.normalizer
        self._characters = Characters(normaliser.normalize_str if normaliser is not None else None)
        named = {marker: library.token_to_id(marker) for marker in MARKERS}
        self._literal = [id for id in library.get_added_tokens_decoder() if id != unk_id]
        self._markers = {marker: id for marker, id in named.items() if id is not None}

    def __call__(
        self, joined: Joined, tokens: Sequence[Tokens], ids: NDArray[np.int32], texts: NDArray[np.int64]
    ) -> Spans:
        """Mend the spans of T texts.

        Args:
            joined: the texts.
            tokens: ids and offsets of each, as the library gives them.
            ids: the ids end to end, shape (N,).
            texts: the text each token is of, shape (N,).
        Returns:
            Spans that count from the beginning of each text, shape (N, 2).
        """
        traits = self._characters.traits(joined.codes)
        tokens = self._without_dropped(joined, tokens, traits)
        ends = chain.from_iterable(chain.from_iterable(offsets for _, offsets in tokens))
        starts = joined.starts[texts, None]
        spans = np.fromiter(ends, dtype=np.int64, count=2 * len(ids)).reshape(-1, 2) + starts
        is_space = (traits & _SPACE) > 0
        self._close_markers(spans, ids, joined, is_space)
        joining = (traits & _JOINING) > 0
        if joining.any():
            _take_joining(spans, joining, ~np.isin(ids, self._literal))
        _trim(spans, is_space)
        return spans - starts

    def _without_dropped(
        self, joined: Joined, tokens: Sequence[Tokens], traits: NDArray[np.uint8]
    ) -> list[Tokens]:
        """Texts with characters that vanish are measured without these, if that gives the same tokens.

        It does, but where the rest of a text then reads as an added token, or white space before one is gone.
        """
        found = list(tokens)
        dropped = (traits & _DROPPED) > 0
        for text in np.unique(np.searchsorted(joined.starts, np.flatnonzero(dropped), "right") - 1).tolist():
            start, end = int(joined.starts[text]), int(joined.ends[text])
            kept = np.flatnonzero(~dropped[start:end])
            line = joined[text]
            again = self._library.encode("".join(line[place] for place in kept), add_special_tokens=False)
            if again.ids == found[text][0]:
                found[text] = (again.ids, _mapped(again.offsets, [*kept.tolist(), len(line)]))
        return found

    def _close_markers(
        self, spans: Spans, ids: NDArray[np.int32], joined: Joined, is_space: NDArray[np.bool_]
    ) -> None:
        """A marker stands for nothing if the next token begins where it does, or no space is there."""
        next_starts = np.append(spans[1:, 0], -1)
        for marker, id in self._markers.items():
            places = np.flatnonzero((ids == id) & (spans[:, 0] < spans[:, 1]))
            first = spans[places, 0]
            empty = ~is_space[first] & (joined.codes[first] != ord(marker))
            empty |= next_starts[places] == first
            spans[places[empty], 1] = first[empty]


def _mapped(offsets: Sequence[tuple[int, int]], kept: Sequence[int]) -> list[tuple[int, int]]:
    """Offsets in what was kept of a text as offsets in the text."""
    return [(kept[start], kept[end - 1] + 1 if end > start else kept[start]) for start, end in offsets]


def _take_joining(spans: Spans, joining: NDArray[np.bool_], takes: NDArray[np.bool_]) -> None:
    """Marks and parts of syllables that no token names belong to the tokens that end before them.

    Args:
        spans: shape (N, 2), changed in place.
        joining: which characters are such, shape (C,).
        takes: which tokens can take them: not the added ones, which are found as they are written.
    """
    size = len(joining)
    edges = np.bincount(spans[:, 0], minlength=size + 1) - np.bincount(spans[:, 1], minlength=size + 1)
    free = joining & (np.cumsum(edges)[:size] == 0)
    # The first place at or behind each that is not such a character.
    stops = np.append(np.where(free, size, np.arange(size)), size)
    stops = np.minimum.accumulate(stops[::-1])[::-1]
    some = takes & (spans[:, 0] < spans[:, 1])
    spans[some, 1] = stops[spans[some, 1]]


def _trim(spans: Spans, is_space: NDArray[np.bool_]) -> None:
    """Take white space off both ends of the spans that hold anything else."""
    size = len(is_space)
    places = np.arange(size)
    following = np.append(np.where(is_space, size, places), size)
    following = np.minimum.accumulate(following[::-1])[::-1]
    before = np.insert(np.where(is_space, 0, places + 1), 0, 0)
    before = np.maximum.accumulate(before)
    starts, ends = following[spans[:, 0]], before[spans[:, 1]]
    some = starts < ends
    spans[some] = np.stack([starts, ends], axis=1)[some]
