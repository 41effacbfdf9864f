"""Drawing documents by their cluster: the same ones in every run, order and company."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def is_drawn(clusters: NDArray[np.uint64], share: float | NDArray[np.float64]) -> NDArray[np.bool_]:
    """Draw a share of the clusters: a function of the cluster alone, so order and company do not matter.

    Args:
        clusters: cluster numbers, uint64, shape (D,).
        share: expected share, in [0, 1]; or one for each cluster, shape (D,).
    Returns:
        bool, shape (D,).
    Source: Steele et al. 2014, Fast Splittable Pseudorandom Number Generators (the final mix).
    """
    mixed = clusters + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    drawn: NDArray[np.bool_] = (mixed >> np.uint64(11)).astype(np.float64) / 2**53 < share
    return drawn
