"""What is predicted together: tokens, whole words, runs of words.

Units only ever join whole words, so the choice among them (`choice.py`) keeps its share exact whatever they
are.

N tokens, S sequences, W words, U units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from erya.pretrain.counter_random import draw, fractions
from erya.pretrain.masking.streams import LENGTH


@dataclass(frozen=True, slots=True)
class Units:
    """What a unit is.

    Attributes:
        of_words: made of whole words, or of single tokens.
        weights: `weights[n - 1]` is the share of units of n words (or tokens) among all; they add up to 1.
        together: whether all tokens of a unit are replaced in the same way.
    """

    of_words: bool = True
    weights: tuple[float, ...] = (1.0,)
    together: bool = False


TOKENS, WORDS = Units(of_words=False), Units()


def ngrams(weights: Sequence[float] = (0.4, 0.3, 0.2, 0.1)) -> Units:
    """Runs of one to `len(weights)` words.

    Source: Cui et al. 2020, Revisiting Pre-Trained Models for Chinese NLP (MacBERT), section 3.
    """
    total = sum(weights)
    return Units(weights=tuple(weight / total for weight in weights))


def spans(*, mean: float = 3.8, longest: int = 10) -> Units:
    """Runs of words whose lengths follow a geometric law cut off at `longest`, replaced as one.

    Args:
        mean: mean length in words after the cut, at least 1 and less than (longest + 1) / 2.
        longest: most words of a span.
    Raises:
        ValueError: no such law has this mean.
    Source: Joshi et al. 2020, SpanBERT, section 3.1 (a parameter of 0.2 cut off at 10 has the mean 3.8).
    """
    if not 1 <= mean < max((longest + 1) / 2, 1.0 + 1e-9):
        raise ValueError(f"spans of at most {longest} words cannot have {mean} words in the mean")
    low, high = 0.0, 1.0  # the probability to go on, by bisection: the mean grows with it
    for _ in range(60):
        middle = (low + high) / 2
        law = _geometric(middle, longest)
        low, high = (middle, high) if law @ np.arange(1, longest + 1) < mean else (low, middle)
    return Units(weights=tuple(_geometric(low, longest).tolist()), together=True)


def _geometric(going_on: float, longest: int) -> NDArray[np.float64]:
    law: NDArray[np.float64] = np.power(going_on, np.arange(longest, dtype=np.float64))
    law /= law.sum()
    return law


@dataclass(frozen=True, slots=True)
class Groups:
    """Ordinary tokens grouped into units.

    Attributes:
        tokens: the ordinary tokens, ascending.
        of_token: the unit of each of them.
        sizes: ordinary tokens of each unit, shape (U,).
        first_tokens: the first one of each unit, shape (U,).
        sequences: the sequence of each unit, ascending, shape (U,).
    """

    tokens: NDArray[np.int64]
    of_token: NDArray[np.int64]
    sizes: NDArray[np.int64]
    first_tokens: NDArray[np.int64]
    sequences: NDArray[np.int64]


def group_words(
    word_starts_N: NDArray[np.bool_], ordinary_N: NDArray[np.bool_], lengths_S: NDArray[np.integer]
) -> Groups:
    """Words of the ordinary tokens; one that begins with a special token is a word without it."""
    tokens = np.flatnonzero(ordinary_N)
    sequences = np.repeat(np.arange(len(lengths_S)), lengths_S)[tokens]
    started = np.diff(np.cumsum(word_starts_N)[tokens], prepend=-1) > 0
    return _grouped(tokens, sequences, started | (np.diff(sequences, prepend=-1) != 0))


def join_words(
    words: Groups,
    units: Units,
    *,
    prob: float,
    keys_N: NDArray[np.uint64],
    counters_N: NDArray[np.int64],
) -> Groups:
    """Join consecutive words of every sequence to units of as many words as `units.weights` says.

    A unit ends at a special token. It has no more words than `prob` of its sequence's, and at least one, so
    that a short sequence is not hidden as a whole.

    Args:
        words: W words.
        units: the lengths of units.
        prob: the share of tokens that will be chosen.
        keys_N: the random key of each token's sequence, shape (N,).
        counters_N: first counter of each token, shape (N,).
    """
    if len(units.weights) == 1 or not len(words.sizes):
        return words
    leads = np.flatnonzero(np.diff(words.sequences, prepend=-1))
    counts = np.diff(leads, append=len(words.sizes))
    firsts = words.first_tokens
    # The k-th draw of a sequence is the length of its k-th unit. Units are fewer than words, so the draws
    # suffice, and those that would begin behind the end are left.
    drawn = fractions(draw(keys_N[firsts], counters_N[firsts] + LENGTH))
    lengths = 1 + np.searchsorted(np.cumsum(units.weights)[:-1], drawn, side="right")
    lengths = np.minimum(lengths, np.repeat(np.maximum((prob * counts).astype(np.int64), 1), counts))
    starts = np.cumsum(lengths) - lengths
    starts -= np.repeat(starts[leads], counts)
    inside = starts < np.repeat(counts, counts)
    begins = np.zeros(len(firsts), dtype=bool)
    begins[(starts + np.repeat(leads, counts))[inside]] = True
    # A gap before the first token of a word is a special token.
    word_begins = np.flatnonzero(np.diff(words.of_token, prepend=-1))
    begins |= np.diff(words.tokens, prepend=-2)[word_begins] > 1
    return _grouped(words.tokens, words.sequences[words.of_token], _at(words, begins))


def _at(words: Groups, begins_W: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """True at the ordinary tokens that are the first of a word that begins a unit."""
    first = np.diff(words.of_token, prepend=-1) > 0
    return first & begins_W[words.of_token]


def _grouped(tokens: NDArray[np.int64], sequences: NDArray[np.int64], begins: NDArray[np.bool_]) -> Groups:
    of_token = np.cumsum(begins) - 1
    firsts = np.flatnonzero(begins)
    return Groups(tokens, of_token, np.bincount(of_token), tokens[firsts], sequences[firsts])
