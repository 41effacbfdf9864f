"""Finding tokens in texts as they are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import tokenizers
from numpy.typing import NDArray
from tokenizers import models

from erya.tokenizer.alphabet import Units
from erya.tokenizer.characters import SPACE
from erya.tokenizer.joined import Joined
from erya.tokenizer.spec import AddedToken
from erya.tokenizer.stretches import inside, ranges
from erya.tokenizer.trie import Trie

# White space to Python, not to Unicode.
_SEPARATORS = "\x1c\x1d\x1e\x1f"
# So few different first characters are looked for one by one before anything is looked up.
_FEW = 8


@dataclass(frozen=True, slots=True)
class Found:
    """F added tokens in C characters, in order, none touching another's.

    Attributes:
        ids: which tokens, int32, shape (F,).
        starts, ends: where they stand (half-open), int64, shape (F,).
    """

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)

    def inside(self, length: int) -> NDArray[np.bool_]:
        """Which of `length` characters belong to one of them."""
        return inside(self.starts, self.ends - self.starts, length=length)

    def write(self, values: NDArray[np.int32], more: NDArray[np.int32]) -> None:
        """Write each over the characters it takes: its id at the first, nothing at the others.

        Args:
            values: for each character the token that starts there, shape (C,).
            more: for each token that starts there how many characters more than one it takes, shape (C,).
        """
        left = (self.ends - self.starts - 1).astype(np.int32)
        values[self.starts] = self.ids
        more[self.starts] = left
        places = self.starts
        while len(places) > _FEW:
            going = (left > 0).nonzero()[0]
            places, left = places.take(going) + 1, left.take(going) - 1
            values[places] = SPACE
        values[ranges(places + 1, left)] = SPACE


class Finder:
    """Finds tokens: leftmost first, of those that begin together the longest.

    Args:
        tokens: what to look for.
        contents: how each is written in the text to be searched, in units.
        units: for code points what each becomes by itself (`Alphabet`).
    """

    def __init__(
        self,
        tokens: Sequence[AddedToken],
        contents: Sequence[Sequence[int]],
        *,
        units: Units | None = None,
    ) -> None:
        by_content = {tuple(written): token for written, token in zip(contents, tokens, strict=True)}
        by_content.pop((), None)
        self._tokens = list(by_content.values())
        self._ids = np.array([token.id for token in self._tokens], dtype=np.int32)
        self._flagged = np.array([is_flagged(token) for token in self._tokens], dtype=np.bool_)
        self._firsts = sorted({chr(content[0]) for content in by_content})
        self.trie = Trie(list(by_content), units=units)

    def __len__(self) -> int:
        return len(self._tokens)

    def find(self, joined: Joined, letters: NDArray[np.int32]) -> Found:
        """The tokens in all texts, with the white space they take along.

        Args:
            joined: the texts.
            letters: of the texts, by the letters of `trie`, 0 where no token reaches over, int32, shape (C,).
        """
        starts, ends, which = self.trie.find(letters)
        if len(which) and self._flagged.any():
            starts, ends, which = self._obey_flags(joined, starts, ends, which)
        return Found(self._ids.take(which), starts, ends)

    def may_occur_in(self, text: str) -> bool:
        """Whether any may be written in `text`: a quick look, sure only when it says no."""
        return len(self._firsts) > _FEW or any(first in text for first in self._firsts)

    def _obey_flags(
        self, joined: Joined, starts: NDArray[np.int64], ends: NDArray[np.int64], which: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        text, kept = joined.text, []
        numbers = np.searchsorted(joined.starts, starts, side="right") - 1
        firsts, lasts = joined.starts[numbers].tolist(), joined.ends[numbers].tolist()
        nexts = np.append(starts[1:], len(text)).tolist()
        done = 0
        for place, (start, end, number) in enumerate(
            zip(starts.tolist(), ends.tolist(), which.tolist(), strict=True)
        ):
            token = self._tokens[number]
            if token.single_word and _touches_word(text, start, end):
                continue
            if token.lstrip:
                start = _before_spaces(text, start, down_to=max(firsts[place], done))
            if token.rstrip:
                # White space that is a token itself is left to it.
                end = _after_spaces(text, end, up_to=min(lasts[place], nexts[place]))
            kept.append((start, end, number))
            done = end
        columns = np.array(kept, dtype=np.int64).reshape(-1, 3)
        return columns[:, 0], columns[:, 1], columns[:, 2]


def is_flagged(token: AddedToken) -> bool:
    """Whether what stands beside a token matters."""
    return token.single_word or token.lstrip or token.rstrip


def _touches_word(text: str, start: int, end: int) -> bool:
    return any(map(_is_letter, text[max(start - 1, 0) : start] + text[end : end + 1]))


@lru_cache(maxsize=1 << 12)
def _is_letter(char: str) -> bool:
    """What the library takes for part of a word, asked of itself: it knows another version of Unicode."""
    probe = tokenizers.Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    probe.add_tokens([tokenizers.AddedToken("!", single_word=True)])
    return "!" not in probe.encode("!" + char).tokens[:1]


def _is_space(char: str) -> bool:
    return char.isspace() and char not in _SEPARATORS


def _before_spaces(text: str, start: int, *, down_to: int) -> int:
    while start > down_to and _is_space(text[start - 1]):
        start -= 1
    return start


def _after_spaces(text: str, end: int, *, up_to: int) -> int:
    while end < up_to and _is_space(text[end]):
        end += 1
    return end
