"""Which units to predict: an exact share of every sequence.

N tokens, S sequences, U units.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from erya.pretrain.counter_random import draw, fractions
from erya.pretrain.masking.streams import ORDER, PLACE, TURN
from erya.pretrain.masking.units import Groups

_ORDER_BITS = np.uint64(40)


def choose_units(
    units: Groups, *, prob: float, keys_N: NDArray[np.uint64], counters_N: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Choose units of every sequence, `prob` of its ordinary tokens.

    The units of a sequence are laid round a circle in random order, each as long as it has tokens. An arc of
    `prob` of the circle is cut out at a random place, and a unit is chosen when a random point of it lies in
    the arc. So every unit is chosen with probability `prob` whatever its length, and the chosen tokens of
    each sequence miss their expected number by two units at most, which independent draws would not give.

    A sequence that would get no unit gets one all the same, so that every sequence teaches something:
    sequences shorter than about 1/prob units are masked a little more.

    Args:
        units: the ordinary tokens in units.
        prob: expected share of ordinary tokens chosen, in (0, 1].
        keys_N: the random key of each token's sequence, shape (N,).
        counters_N: first counter of each token, shape (N,).
    Returns:
        True for chosen units, shape (U,).
    Source: Cui et al. 2021, Pre-Training with Whole Word Masking for Chinese BERT, section 3.
    """
    keys_U, counters_U = keys_N[units.first_tokens], counters_N[units.first_tokens]
    # Sequence number above, random bits below: one sort shuffles every sequence within its place.
    order = draw(keys_U, counters_U + ORDER) >> (np.uint64(64) - _ORDER_BITS)
    shuffled = np.argsort(units.sequences.astype(np.uint64) << _ORDER_BITS | order, kind="stable")
    leads = np.flatnonzero(np.diff(units.sequences, prepend=-1))
    counts = np.diff(leads, append=len(shuffled))
    sizes = units.sizes[shuffled]
    before = np.cumsum(sizes) - sizes
    before -= np.repeat(before[leads], counts)
    circles = np.add.reduceat(sizes, leads) if len(leads) else sizes
    turns = fractions(draw(keys_U[leads], counters_U[leads] + TURN)) * circles
    places = before + sizes * fractions(draw(keys_U, counters_U + PLACE))[shuffled]
    circle = np.repeat(circles, counts)
    in_arc = (places + np.repeat(turns, counts)) % circle < prob * circle
    in_arc[leads[np.add.reduceat(in_arc, leads, dtype=np.int64) == 0]] = True
    chosen = np.zeros(len(sizes), dtype=bool)
    chosen[shuffled] = in_arc
    return chosen
