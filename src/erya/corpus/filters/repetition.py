"""Text that says the same again and again: characters, lines, n-grams.

The last two count cheaply first, by hash: a document whose upper bound is within the limit needs no closer
look, and few do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from erya.corpus.filters.batch import TextBatch
from erya.corpus.filters.classes import Kind
from erya.corpus.filters.options import FilterOptions

Word = TypeVar("Word", np.uint32, np.uint64)

# A share says little of fewer characters or n-grams than these.
_MIN_CHARACTERS = 20
_MIN_GRAMS = 100
_BUCKETS = 64
_ODD, _SPREAD = 0x9E3779B1, 0x85EBCA77
_GROUP = 1 << 16
# Rows of dots and dashes are somebody's style; too much punctuation has a filter of its own.
_MARKS = (Kind.SPACE, Kind.STOP, Kind.LIST_MARK, Kind.PUNCTUATION)


def long_runs(batch: TextBatch, options: FilterOptions) -> NDArray[np.bool_]:
    """Too much of the text lies in runs of one character (哈哈哈哈哈哈哈哈, 0000000000)."""
    if options.max_run_share is None:
        return np.zeros(len(batch), dtype=np.bool_)
    repeats = np.flatnonzero(batch.codes[1:] == batch.codes[:-1])
    repeats = repeats[~np.isin(batch.kinds[repeats], _MARKS)]
    starts = repeats[np.diff(repeats, prepend=-2) != 1]
    ends = repeats[np.diff(repeats, append=-2) != 1]
    lengths = ends - starts + 2
    is_long = lengths >= options.run_length
    documents = batch.documents[starts[is_long]]
    in_runs = np.bincount(documents, weights=lengths[is_long], minlength=len(batch))
    drop: NDArray[np.bool_] = in_runs > options.max_run_share * batch.visible
    return drop


def one_character(batch: TextBatch, options: FilterOptions) -> NDArray[np.bool_]:
    """One character makes up too much of the text, side by side or not (点赞，点赞，点赞)."""
    drop = np.zeros(len(batch), dtype=np.bool_)
    if options.max_character_share is None or not len(batch):
        return drop
    limits = options.max_character_share * batch.visible
    keys = batch.documents * _BUCKETS
    keys += (batch.codes * np.uint32(_ODD)) >> np.uint32(26)
    most = np.bincount(keys, minlength=len(batch) * _BUCKETS).reshape(len(batch), _BUCKETS).max(axis=1)
    for document in np.flatnonzero((most > limits) & (batch.visible >= _MIN_CHARACTERS)).tolist():
        codes = batch.codes_of(document)
        codes = codes[~np.isin(batch.kinds_of(document), _MARKS)]
        drop[document] = np.unique(codes, return_counts=True)[1].max(initial=0) > limits[document]
    return drop


def repeated_lines(batch: TextBatch, options: FilterOptions) -> NDArray[np.bool_]:
    """Too many of the characters stand in lines that stood in the text before.

    Source: Rae et al. 2021, Scaling Language Models (Gopher), table A1, duplicate line character fraction.
    """
    drop = np.zeros(len(batch), dtype=np.bool_)
    if options.max_repeated_line_share is None:
        return drop
    for document, text in enumerate(batch.texts):
        if "\n" not in text:
            continue
        lines = text.split("\n")
        if len(set(lines)) < len(lines):
            repeated = sum((count - 1) * len(line) for line, count in Counter(lines).items())
            drop[document] = repeated > options.max_repeated_line_share * len(text)
    return drop


def repeated_grams(batch: TextBatch, options: FilterOptions) -> NDArray[np.bool_]:
    """Too many of the character n-grams occur again and again in the same text.

    The n-grams of words of the source become n-grams of characters: ten of them are about six words.

    Source: Rae et al. 2021, Scaling Language Models (Gopher), table A1, duplicate n-gram fractions.
    """
    drop = np.zeros(len(batch), dtype=np.bool_)
    num_grams = batch.lengths + 1 - options.gram_length
    if options.max_repeated_gram_share is None or num_grams.max(initial=0) < _MIN_GRAMS:
        return drop
    limits = options.max_repeated_gram_share * num_grams
    may_drop = (num_grams >= _MIN_GRAMS) & (_most_repeated_grams(batch, options) > limits)
    for document in np.flatnonzero(may_drop).tolist():
        hashes = _gram_hashes(batch.codes_of(document).astype(np.uint64), options.gram_length)
        counts = np.unique(hashes, return_counts=True)[1]
        drop[document] = counts[counts > options.max_gram_repeats].sum() > limits[document]
    return drop


def _most_repeated_grams(batch: TextBatch, options: FilterOptions) -> NDArray[np.int64]:
    """At least as many as there are repeated n-grams in each document, int64, shape (D,)."""
    is_repeated = np.zeros(len(batch.codes), dtype=np.bool_)
    for start, end in _groups(batch.bounds):
        hashes = _gram_hashes(batch.codes[start:end], options.gram_length)
        num_bits = len(hashes).bit_length()
        # The same n-gram in another document goes to another bucket.
        hashes += batch.documents[start : start + len(hashes)].astype(np.uint32) * np.uint32(_SPREAD)
        hashes *= np.uint32(_ODD)
        hashes >>= np.uint32(32 - num_bits)
        counts = np.bincount(hashes, minlength=1 << num_bits)
        is_repeated[start : start + len(hashes)] = (counts > options.max_gram_repeats)[hashes]
    return batch.count_by_document(is_repeated)


def _groups(bounds: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Where groups of whole documents begin and end, so small that a processor's cache holds one."""
    first = 0
    while first < len(bounds) - 1:
        last = int(np.searchsorted(bounds, bounds[first] + _GROUP, side="right")) - 1
        last = max(last, first + 1)
        yield int(bounds[first]), int(bounds[last])
        first = last


def _gram_hashes(codes: NDArray[Word], length: int) -> NDArray[Word]:
    """A hash of the `length` characters from each place on, shape (C,) to (C - length + 1,).

    A polynomial hash, put together from those of half the length; wrapping round is meant.
    """
    if len(codes) < length:
        return codes[:0].copy()
    if length == 1:
        return codes + codes.dtype.type(1)
    half = length // 2
    hashes = _gram_hashes(codes, half)
    hashes = hashes[:-half] * _power(half, codes.dtype) + hashes[half:]
    if length % 2:
        hashes = hashes[:-1] * _power(1, codes.dtype) + (codes[length - 1 :] + codes.dtype.type(1))
    return hashes


def _power(exponent: int, dtype: np.dtype[Word]) -> Word:
    return dtype.type(pow(0x2545F4914F6CDD1D, exponent, 1 << 8 * dtype.itemsize))
