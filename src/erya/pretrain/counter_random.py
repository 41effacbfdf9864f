"""Random numbers that are a pure function of their key, drawn for a whole batch at once.

N tokens, S sequences.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Steele, Lea & Flood 2014: the odd step of SplitMix64's counter and the two multipliers of its finaliser.
_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser: a bijection of 64-bit numbers whose output bits look independent.

    Source: Steele, Lea & Flood 2014, Fast Splittable Pseudorandom Number Generators, figure 16.
    """
    values = (values ^ (values >> np.uint64(30))) * _FIRST
    values = (values ^ (values >> np.uint64(27))) * _SECOND
    return values ^ (values >> np.uint64(31))


def keys(seed: int, epoch: int, numbers: NDArray[np.integer]) -> NDArray[np.uint64]:
    """One key a sequence from (seed, epoch, its number), shape (S,)."""
    outer = mix(mix(np.array([seed], np.uint64)) + np.array([epoch], np.uint64) * _STEP)
    return mix(outer + numbers.astype(np.uint64) * _STEP)


def draw(sequence_keys: NDArray[np.uint64], counters: NDArray[np.integer]) -> NDArray[np.uint64]:
    """64 random bits for each (key, counter); the n-th output of a SplitMix64 that starts at the key.

    Args:
        sequence_keys: shape (N,).
        counters: from 0, below 2**32, shape (N,).
    """
    return mix(sequence_keys + (counters.astype(np.uint64) + np.uint64(1)) * _STEP)


def fractions(bits: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Random bits as numbers in [0, 1)."""
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def below(bits: NDArray[np.uint64], bound: int) -> NDArray[np.int64]:
    """Random bits as whole numbers in [0, bound), for a bound below 2**31."""
    return (((bits >> np.uint64(32)) * np.uint64(bound)) >> np.uint64(32)).astype(np.int64)
