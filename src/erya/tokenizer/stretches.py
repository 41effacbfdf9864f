"""Arithmetic on stretches of an array: many ranges at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def bounds_of(counts: NDArray[np.integer]) -> NDArray[np.int64]:
    """Where stretches of these lengths begin, end to end, and the last ends, shape (len(counts) + 1,)."""
    bounds = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=bounds[1:])
    return bounds


def ranges(firsts: NDArray[np.integer], counts: NDArray[np.integer]) -> NDArray[np.int64]:
    """The ranges of `counts` whole numbers from `firsts`, end to end."""
    bounds = bounds_of(counts)
    found: NDArray[np.int64] = np.repeat(firsts - bounds[:-1], counts)
    found += np.arange(len(found))
    return found


def inside(firsts: NDArray[np.int64], counts: NDArray[np.int64], *, length: int) -> NDArray[np.bool_]:
    """Which of `length` places lie in the stretches of `counts` places from `firsts`; none may overlap."""
    edges = np.zeros(length + 1, dtype=np.int8)
    some = counts > 0
    edges[firsts[some]] += 1
    edges[(firsts + counts)[some]] -= 1
    return np.cumsum(edges[:-1], dtype=np.int8).view(np.bool_)
