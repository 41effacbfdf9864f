"""Word segmentation by pkuseg: a conditional random field, slower than jieba and trained for a domain."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from erya.errors import InputError
from erya.runtime import require
from erya.text.words import UserWord, Word, is_space, without_surrogates

# pkuseg would also read older models, which are pickles: files that may hold code.
_MODEL_FILES = ("features.msgpack", "weights.npz")
_HOW_TO_GET_ONE = (
    "name a model directory that is on this machine: unpack one of the models of spacy-pkuseg, or train one "
    "with spacy_pkuseg.train"
)


class PkusegSegmenter:
    """Cuts text as a pkuseg model does. Nothing is fetched: the model is a directory of this machine.

    Args:
        model: directory with `features.msgpack` and `weights.npz`.
        user_words: words that are always kept whole; their frequencies mean nothing here.
    Raises:
        InputError: there is no such model, or a user word has a space in it.
        MissingExtraError: spacy-pkuseg is not installed.
    """

    def __init__(self, model: Path, user_words: Sequence[UserWord] = ()) -> None:
        require("spacy_pkuseg")
        for name in _MODEL_FILES:
            if not (model / name).is_file():
                raise InputError(
                    f"this is no pkuseg model: {name} is missing", where=str(model), hint=_HOW_TO_GET_ONE
                )
        spaced = [word.text for word in user_words if is_space(word.text).any()]
        if spaced:
            raise InputError(
                f"pkuseg cuts at every space and cannot keep {spaced[0]!r} whole",
                where="the user dictionary",
                hint="leave the word out, or use the segmenter rjieba",
            )
        self._model, self._user_words = model, tuple(user_words)

    def words(self, text: str) -> list[Word]:
        """The words of `text` in order, covering every character; the tag is the user's, or x."""
        blank = is_space(text)
        begins = self.starts(text)
        begins[1:] |= blank[1:] & ~blank[:-1]
        begins[:1] = True
        bounds = [*np.flatnonzero(begins).tolist(), len(text)]
        tags = {word.text: word.tag for word in self._user_words}
        return [Word(start, end, tags.get(text[start:end], "x")) for start, end in pairwise(bounds)]

    def starts(self, text: str) -> NDArray[np.bool_]:
        """True where a word begins, bool, shape (len(text),); False at white space."""
        starts = np.zeros(len(text), dtype=np.bool_)
        # White space is dropped by pkuseg, all else comes back in order.
        black = np.flatnonzero(~is_space(text))
        tokens: list[str] = self._pkuseg.cut(without_surrogates(text))
        ends = np.cumsum([len(token) for token in tokens], dtype=np.int64)
        assert (int(ends[-1]) if tokens else 0) == len(black), "pkuseg drops white space only"
        starts[black[:1]] = True
        starts[black[ends[:-1]]] = True
        return starts

    # The model is read on first use: a segmenter that travels to a worker is light.
    @cached_property
    def _pkuseg(self) -> Any:
        library = require("spacy_pkuseg")
        try:
            cutter = library.pkuseg(model_name=str(self._model))
        except Exception as error:  # whatever numpy, msgpack or pkuseg make of damaged files
            raise InputError(f"the pkuseg model cannot be read: {error}", where=str(self._model)) from error
        cutter.preprocesser = library.Preprocesser([word.text for word in self._user_words])
        return cutter

    def __getstate__(self) -> dict[str, Any]:
        return {"_model": self._model, "_user_words": self._user_words}
