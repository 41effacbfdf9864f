"""Many texts as one array of code points."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from erya.errors import InputError
from erya.tokenizer.stretches import bounds_of

# What to do about lone surrogates: code points that no UTF-8 text can hold, left by broken JSON and UTF-16.
Surrogates = Literal["replace", "error"]

_LONE = re.compile("[\ud800-\udfff]")
_REPLACEMENT = "\ufffd"


@dataclass(frozen=True, slots=True)
class Joined:
    """T texts, a space after each: no run, no mark and no word reaches from one into the next.

    Attributes:
        text: all of them, C code points.
        codes: the code points, int32, shape (C,).
        starts: where each text starts, and C at the end, int64, shape (T + 1,).
    """

    text: str
    codes: NDArray[np.int32]
    starts: NDArray[np.int64]

    @property
    def ends(self) -> NDArray[np.int64]:
        """Where each text ends, shape (T,)."""
        return self.starts[1:] - 1

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, text: int) -> str:
        return self.text[self.starts[text] : self.starts[text + 1] - 1]


def join(
    texts: Sequence[str], surrogates: Surrogates = "replace", *, first: int = 0, name: str = "text"
) -> Joined:
    """Lay texts end to end.

    Args:
        texts: any strings.
        surrogates: `replace` reads a lone surrogate as U+FFFD, `error` refuses it.
        first: how many texts of the same batch went before these, for the message.
        name: what they are called in it.
    Raises:
        InputError: there is a lone surrogate and `surrogates` is `error`; names the text and the place.
    """
    starts = bounds_of(np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)) + 1)
    text = " ".join(texts) + " " if texts else ""
    try:
        encoded = text.encode("utf-32-le")
    except UnicodeEncodeError as found:
        if surrogates == "error":
            number = int(np.searchsorted(starts, found.start, side="right")) - 1
            where = f"{name} {first + number + 1}, character {found.start - int(starts[number]) + 1}"
            raise _refusal(text[found.start], where) from None
        text = _LONE.sub(_REPLACEMENT, text)
        encoded = text.encode("utf-32-le")
    return Joined(text, np.frombuffer(encoded, dtype=np.int32), starts)


def _refusal(char: str, where: str) -> InputError:
    return InputError(
        f"a lone surrogate, U+{ord(char):04X}: half of a character, which no UTF-8 text can hold",
        where=where,
        hint='read the text with the right encoding, or choose surrogates="replace" to read U+FFFD for it',
    )
