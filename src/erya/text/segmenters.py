"""Which segmenter finds the words: rjieba, pkuseg or none."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from erya.config import StrictModel
from erya.errors import ConfigError
from erya.text.words import Segmenter, UserWord, Word

SegmenterName = Literal["rjieba", "pkuseg", "none"]


class SegmenterOptions(StrictModel):
    """How words are found.

    Attributes:
        name: `rjieba` (jieba's dictionary and model), `pkuseg` (a model of your own choice, about a
            hundredth of the speed) or `none` (every Hanzi a word, every run of letters and digits).
        user_words: words to add to the dictionary.
        model: the directory of the pkuseg model.
    """

    name: SegmenterName = "rjieba"
    user_words: tuple[UserWord, ...] = ()
    model: str | None = None


class WordSegmenter(Protocol):
    """Cuts text into words. A text is cut the same alone and as a line among others; any string will do."""

    def starts(self, text: str) -> NDArray[np.bool_]:
        """True where a word begins, bool, shape (len(text),); False at white space."""

    def words(self, text: str) -> list[Word]:
        """The words in order, covering every character; the tag is x where the segmenter has none."""


def open_segmenter(options: SegmenterOptions) -> WordSegmenter:
    """The segmenter that the options ask for.

    Raises:
        ConfigError: an option means nothing to this segmenter, or pkuseg has no model.
        InputError: the model directory is none.
        MissingExtraError: the segmenter's package is not installed.
    """
    if options.model is not None and options.name != "pkuseg":
        raise ConfigError(
            f"the segmenter {options.name} takes no model",
            where="segmenter model",
            hint="use the segmenter pkuseg, or leave the model out",
        )
    if options.name == "rjieba":
        return Segmenter(options.user_words)
    if options.name == "none":
        return _without_dictionary(options)
    if options.model is None:
        raise ConfigError(
            "the segmenter pkuseg needs a model, and none is fetched from the network",
            where="segmenter model",
            hint="name the directory of a model: unpack one of those of spacy-pkuseg, or train one with"
            " spacy_pkuseg.train",
        )
    from erya.text.pkuseg import PkusegSegmenter

    return PkusegSegmenter(Path(options.model), options.user_words)


def _without_dictionary(options: SegmenterOptions) -> WordSegmenter:
    from erya.text.plain_words import PlainSegmenter

    if options.user_words:
        raise ConfigError(
            "the segmenter none has no dictionary to add words to",
            where="user words",
            hint="use the segmenter rjieba or pkuseg, or leave the user dictionary out",
        )
    return PlainSegmenter()
