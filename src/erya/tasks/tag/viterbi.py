"""The best path through chains of tags, and how probable a stretch of it is; numpy alone, so serving has it.

All sequences go forward together, a place at a time: no loop over sequences, no padding. N tokens, S
sequences, C tags.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


@dataclass(frozen=True, slots=True, eq=False)
class Transitions:
    """How well tags begin, follow one another and end; minus infinity forbids.

    Attributes:
        start: of each tag as the first, shape (C,).
        pairs: of tag b right after tag a at [a, b], shape (C, C).
        end: of each tag as the last, shape (C,).
    """

    start: Floats
    pairs: Floats
    end: Floats

    @classmethod
    def none(cls, num_tags: int) -> Transitions:
        """Those of a model that looks at each token by itself: all zero."""
        return cls(np.zeros(num_tags), np.zeros((num_tags, num_tags)), np.zeros(num_tags))

    def allowing(self, allowed: Transitions) -> Transitions:
        """These where `allowed` is zero; minus infinity where it is that."""
        return Transitions(self.start + allowed.start, self.pairs + allowed.pairs, self.end + allowed.end)


def rows_by_place(bounds: NDArray[np.integer]) -> list[NDArray[np.int64]]:
    """The first tokens of all sequences, the second ones, and so on.

    Longer sequences stand first, so that those with a token at one place are the first of those with one at
    the place before. Sequences without a token occur nowhere.

    Args:
        bounds: sequence s is tokens bounds[s] to bounds[s + 1], shape (S + 1,).
    """
    lengths = np.diff(bounds)
    order = np.argsort(-lengths, kind="stable")
    starts, ascending = bounds[:-1][order].astype(np.int64), np.sort(lengths)
    active = len(lengths) - np.searchsorted(ascending, np.arange(lengths.max(initial=0)), side="right")
    return [starts[:number] + place for place, number in enumerate(active.tolist())]


def viterbi(emissions: Floats, bounds: NDArray[np.integer], transitions: Transitions) -> NDArray[np.int64]:
    """The path of the greatest sum of emissions and transitions for each sequence; exact.

    Args:
        emissions: how well each tag suits each token, shape (N, C).
        bounds: sequence s is tokens bounds[s] to bounds[s + 1], shape (S + 1,).
        transitions: between the tags.
    Returns:
        The tag of each token, shape (N,).
    Source: Viterbi 1967, Error Bounds for Convolutional Codes; Lafferty et al. 2001, section 3.
    """
    places = rows_by_place(bounds)
    scores = np.zeros(emissions.shape)
    came_from = np.zeros(emissions.shape, dtype=np.int64)
    for place, rows in enumerate(places):
        if place == 0:
            scores[rows] = transitions.start + emissions[rows]
            continue
        through = scores[rows - 1][:, :, None] + transitions.pairs
        came_from[rows] = through.argmax(axis=1)
        scores[rows] = through.max(axis=1) + emissions[rows]
    return _walk_back(scores + transitions.end, came_from, places)


def _walk_back(
    finals: Floats, came_from: NDArray[np.int64], places: list[NDArray[np.int64]]
) -> NDArray[np.int64]:
    """The tags on the way back from each sequence's best last tag."""
    tags = np.zeros(len(finals), dtype=np.int64)
    later = np.zeros(0, dtype=np.int64)
    for rows in reversed(places):
        last = rows[len(later) :]
        tags[last] = finals[last].argmax(axis=1)
        tags[rows[: len(later)]] = came_from[later, tags[later]]
        later = rows
    return tags


class PathProbabilities:
    """Probabilities over all paths of each sequence, of which each has the exponential of its sum as weight.

    Args:
        emissions: shape (N, C).
        bounds: shape (S + 1,).
        transitions: between the tags.
    """

    def __init__(self, emissions: Floats, bounds: NDArray[np.integer], transitions: Transitions) -> None:
        self._emissions = emissions.astype(np.float64)
        self._bounds, self._transitions = bounds, transitions
        with np.errstate(divide="ignore"):
            self._until, self._after = self._sums()

    def marginals(self) -> NDArray[np.float64]:
        """The probability of each tag at each token, shape (N, C)."""
        sums = self._until + self._after
        powers = np.exp(sums - sums.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def of_stretches(
        self, tags: NDArray[np.integer], firsts: NDArray[np.integer], lasts: NDArray[np.integer]
    ) -> NDArray[np.float64]:
        """The probability that the tokens of each stretch have just these tags, whatever the others have.

        Args:
            tags: of each token, a path that is not forbidden, shape (N,).
            firsts: the first token of each stretch, shape (M,).
            lasts: the last one, of the same sequence, shape (M,).
        Returns:
            Shape (M,), in [0, 1].
        """
        if not len(firsts):
            return np.zeros(0)
        steps = self._emissions[np.arange(len(tags)), tags]
        steps[1:] += self._transitions.pairs[tags[:-1], tags[1:]]
        steps[self._bounds[:-1][np.diff(self._bounds) > 0]] = (
            0.0  # from one sequence to another there is none
        )
        sums = np.cumsum(steps)
        inner = sums[lasts] - sums[firsts]
        totals = self._until[firsts] + self._after[firsts]
        most = totals.max(axis=1)
        whole = most + np.log(np.exp(totals - most[:, None]).sum(axis=1))
        logs = self._until[firsts, tags[firsts]] + inner + self._after[lasts, tags[lasts]] - whole
        return np.asarray(np.exp(np.minimum(np.nan_to_num(logs, nan=-np.inf), 0.0)))

    def _sums(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Logarithms of the summed weights of ways up to each token, its own emission in, and after it."""
        emissions, moves = self._emissions, self._transitions
        places = rows_by_place(self._bounds)
        until = np.zeros(emissions.shape)
        for place, rows in enumerate(places):
            come = moves.start if place == 0 else _log_matmul(until[rows - 1], moves.pairs)
            until[rows] = come + emissions[rows]
        after = np.zeros(emissions.shape) + moves.end
        for rows in reversed(places[1:]):
            after[rows - 1] = _log_matmul(after[rows] + emissions[rows], moves.pairs.T)
        return until, after


def _log_matmul(logs: NDArray[np.float64], weights: Floats) -> NDArray[np.float64]:
    """Logarithms of exp(logs) @ exp(weights), of which neither is left without a finite number in a row."""
    most, top = logs.max(axis=1, keepdims=True), weights.max()
    return np.asarray(np.log(np.exp(logs - most) @ np.exp(weights - top)) + most + top)
