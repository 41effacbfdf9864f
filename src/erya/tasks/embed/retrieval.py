"""Exact search: the passages closest to a query, block by block, so that no whole matrix is ever there.

Q queries, C passages, D width, K wanted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Cosines there are at a time: 64 MiB of float32.
_BLOCK_CELLS = 1 << 24
_BLOCK_QUERIES = 256


def closest(
    queries: NDArray[np.floating], passages: NDArray[np.floating], *, top: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The passages with the largest inner product, the best first; among equals the earlier.

    Args:
        queries: shape (Q, D).
        passages: shape (C, D), perhaps mapped from a file, in any format of floats.
        top: K, at least 1; fewer come back where there are fewer passages.
    Returns:
        Their numbers and their products, shapes (Q, K).
    """
    assert top >= 1
    numbers = np.empty((len(queries), min(top, len(passages))), dtype=np.int64)
    products = np.empty(numbers.shape, dtype=np.float32)
    for begin in range(0, len(queries), _BLOCK_QUERIES):
        rows = slice(begin, begin + _BLOCK_QUERIES)
        numbers[rows], products[rows] = _closest(queries[rows].astype(np.float32), passages, top=top)
    return numbers, products


def _closest(
    queries: NDArray[np.float32], passages: NDArray[np.floating], *, top: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    block = max(_BLOCK_CELLS // max(len(queries), passages.shape[1]), top)
    numbers = np.empty((len(queries), 0), dtype=np.int64)
    products = np.empty((len(queries), 0), dtype=np.float32)
    for begin in range(0, len(passages), block):
        found = queries @ np.asarray(passages[begin : begin + block], dtype=np.float32).T
        places = _best(found, top)
        numbers = np.concatenate([numbers, places + begin], axis=1)
        products = np.concatenate([products, np.take_along_axis(found, places, axis=1)], axis=1)
        # What was found before stands first, so that of equals the earlier stays.
        kept = np.argsort(-products, axis=1, kind="stable")[:, :top]
        numbers = np.take_along_axis(numbers, kept, axis=1)
        products = np.take_along_axis(products, kept, axis=1)
    return numbers, products


def _best(found: NDArray[np.float32], top: int) -> NDArray[np.int64]:
    """Columns of the `top` largest of each row, ascending; of equals the first."""
    if found.shape[1] <= top:
        return np.tile(np.arange(found.shape[1]), (len(found), 1))
    least = np.partition(found, found.shape[1] - top, axis=1)[:, -top]
    # More than `top` reach it only where some are equal to it: of these the first stay.
    return np.stack([_reaching(row, value, top) for row, value in zip(found, least, strict=True)])


def _reaching(row: NDArray[np.float32], least: np.float32, top: int) -> NDArray[np.int64]:
    above = np.flatnonzero(row > least)
    equal = np.flatnonzero(row == least)[: top - len(above)]
    return np.sort(np.concatenate([above, equal]))
