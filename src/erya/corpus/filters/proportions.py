"""Filters on how long a text is and what its characters are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from erya.corpus.filters.batch import TextBatch
from erya.corpus.filters.classes import Kind
from erya.corpus.filters.options import FilterOptions

# Few Hanzi say little of how common they are; a short text may well have no full stop.
_MIN_HANZI, _ENOUGH_HANZI = 20, 50
_MIN_LIST = 200
_MAX_STOPS = 0.005


def too_short(batch: TextBatch, options: FilterOptions) -> NDArray[np.bool_]:
    """Fewer characters than `min_characters`, white space included."""
    return batch.lengths < (options.min_characters or 0)


def too_long(batch: TextBatch, options: FilterOptions) -> NDArray[np.bool_]:
    """More characters than `max_characters`, white space included."""
    if options.max_characters is None:
        return np.zeros(len(batch), dtype=np.bool_)
    return batch.lengths > options.max_characters


def few_hanzi(batch: TextBatch, options: FilterOptions) -> NDArray[np.bool_]:
    """Hardly Chinese: the share of Hanzi. Technical text mixed with English and code has a third and more."""
    return batch.share(Kind.HANZI, Kind.COMMON) < (options.min_hanzi_share or 0)


def japanese(batch: TextBatch, options: FilterOptions) -> NDArray[np.bool_]:
    """Japanese: the share of kana. It has Hanzi enough to pass for Chinese otherwise."""
    return _is_above(batch.share(Kind.KANA), options.max_kana_share)


def many_digits(batch: TextBatch, options: FilterOptions) -> NDArray[np.bool_]:
    """Tables, numbers, draws of a lottery: the share of digits."""
    return _is_above(batch.share(Kind.DIGIT), options.max_digit_share)


def much_punctuation(batch: TextBatch, options: FilterOptions) -> NDArray[np.bool_]:
    """Pictures made of signs, remains of code and markup: the share of punctuation and symbols."""
    share = batch.share(Kind.STOP, Kind.LIST_MARK, Kind.PUNCTUATION)
    return _is_above(share, options.max_punctuation_share)


def unusual_hanzi(batch: TextBatch, options: FilterOptions) -> NDArray[np.bool_]:
    """Too few of the Hanzi are common ones; with 20 to 49 Hanzi half the share is enough.

    Text in one Chinese encoding that was read as another (GBK as Big5, Big5 as GBK) is all rare Hanzi;
    classical text is not: a fifth and more of it is common.
    """
    hanzi = batch.counts[:, Kind.HANZI] + batch.counts[:, Kind.COMMON]
    wanted = np.where(hanzi >= _ENOUGH_HANZI, 1.0, 0.5) * (options.min_common_share or 0)
    return (hanzi >= _MIN_HANZI) & (batch.counts[:, Kind.COMMON] < wanted * hanzi)


def word_list(batch: TextBatch, options: FilterOptions) -> NDArray[np.bool_]:
    """A list of key words: many short pieces and next to no mark that ends or cuts a sentence.

    Only texts of 200 characters and more. Classical text without punctuation has no pieces either, verse
    has a line of five characters and more.
    """
    stops = batch.counts[:, Kind.STOP]
    pieces = batch.counts[:, Kind.SPACE] + batch.counts[:, Kind.LIST_MARK]
    is_list = _is_above(pieces / np.maximum(batch.visible, 1), options.max_list_pieces)
    return is_list & (batch.lengths >= _MIN_LIST) & (stops <= _MAX_STOPS * batch.visible)


def _is_above(share: NDArray[np.float64], most: float | None) -> NDArray[np.bool_]:
    return share > (1.0 if most is None else most)
