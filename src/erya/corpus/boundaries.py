"""Boundaries carried from characters to tokens.

N tokens, T texts, P places (see `erya.data.document_columns`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from erya.data.document_columns import MarkedTexts
from erya.tokenizer.encoding import FlatPieces


@dataclass(frozen=True, slots=True)
class TokenBoundaries:
    """What begins and ends with which token.

    Attributes:
        word_starts, sentence_ends, document_ends: bool, shape (N,).
        pair_starts: the tokens that begin the second text of a pair, ascending, int64.
        covered: how many characters the tokens cover.
    """

    word_starts: NDArray[np.bool_]
    sentence_ends: NDArray[np.bool_]
    document_ends: NDArray[np.bool_]
    pair_starts: NDArray[np.int64]
    covered: int


def mark_boundaries(pieces: FlatPieces, texts: MarkedTexts) -> TokenBoundaries:
    """Carry boundaries from characters to tokens.

    A word start belongs to the first token of its document that ends behind it, a sentence end to the last
    that does not begin behind it: so a token answers for its own characters, for the word starts of uncovered
    ones before it and the sentence ends of uncovered ones after it; and tokens that share a character (a
    Hangul syllable in three pieces) leave its word start to the first, its sentence end to the last.

    Args:
        pieces: the tokens of the texts.
        texts: with boundaries by character.
    """
    shift = np.repeat(texts.firsts, np.diff(pieces.bounds))
    starts, ends = pieces.spans[:, 0] + shift, pieces.spans[:, 1] + shift
    overlap = bool((starts[1:] < ends[:-1]).any())
    if overlap:
        # Accents that normalisation puts in another order may even make neighbours change places.
        starts = np.minimum.accumulate(starts[::-1])[::-1]
        ends = np.maximum.accumulate(ends)
    words, sentences = _answered(texts, pieces.bounds, starts, ends)
    document_ends = np.zeros(len(starts), dtype=np.bool_)
    has_tokens = np.diff(pieces.bounds) > 0
    document_ends[pieces.bounds[1:][has_tokens & texts.ends_document] - 1] = True
    sentence_ends = document_ends.copy()
    sentence_ends[np.searchsorted(starts, np.flatnonzero(sentences), side="right") - 1] = True
    return TokenBoundaries(
        _word_starts(words, starts, ends, overlap=overlap),
        sentence_ends,
        document_ends,
        _pair_starts(texts, pieces.bounds, ends),
        covered=int((ends[:1] - starts[:1]).sum() + (ends[1:] - np.maximum(starts[1:], ends[:-1])).sum()),
    )


def _word_starts(
    bits: NDArray[np.bool_], starts: NDArray[np.int64], ends: NDArray[np.int64], *, overlap: bool
) -> NDArray[np.bool_]:
    """Which tokens a word starts with, bool, shape (N,)."""
    marks = np.zeros(len(starts), dtype=np.bool_)
    if not overlap:
        # Nearly all words start where a token does: a search for each of them would take three times as long.
        marks = bits[starts]
        if np.count_nonzero(marks) == np.count_nonzero(bits):
            return marks
        bits = bits.copy()
        bits[starts] = False
    marks[np.searchsorted(ends, np.flatnonzero(bits), side="right")] = True
    return marks


def _answered(
    texts: MarkedTexts, bounds: NDArray[np.int64], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The bits without those no token of their text answers for: behind its last, before its first."""
    stops = texts.firsts + texts.lengths
    first_start, last_end = stops.copy(), texts.firsts.copy()
    has_tokens = np.diff(bounds) > 0
    first_start[has_tokens] = starts[bounds[:-1][has_tokens]]
    last_end[has_tokens] = ends[bounds[1:][has_tokens] - 1]
    words = _cleared(texts.word_starts, last_end, stops)
    return words, _cleared(texts.sentence_ends, texts.firsts, first_start)


def _cleared(
    bits: NDArray[np.bool_], starts: NDArray[np.int64], stops: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """The bits with some stretches, most of them empty, set to False."""
    stretches = np.flatnonzero(starts < stops)
    if not len(stretches):
        return bits
    bits = bits.copy()
    for start, stop in zip(starts[stretches].tolist(), stops[stretches].tolist(), strict=True):
        bits[start:stop] = False
    return bits


def _pair_starts(texts: MarkedTexts, bounds: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first token of each second text; a pair of which one text has no token is none."""
    paired = np.flatnonzero(texts.pair_starts >= 0)
    tokens = np.searchsorted(ends, texts.firsts[paired] + texts.pair_starts[paired], side="right")
    return tokens[(tokens > bounds[paired]) & (tokens < bounds[paired + 1])]
