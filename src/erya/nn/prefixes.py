"""Sequences whose first tokens are seen by all, and whose later tokens see only what is left of them.

"Left" is in the order of the packed run, which is not that of positions in a sequence laid out in reverse. A
prefix of 1 is attention from left to right; one as long as its sequence is attention in both directions.

N tokens, S sequences, R rows, Q queries, K keys.
Source: Dong et al. 2019, Unified Language Model Pre-training for Natural Language Understanding and
    Generation, section 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from erya.data.batches import bounds_of
from erya.nn.transfer import to_device


@dataclass(frozen=True, slots=True)
class Part:
    """Queries of some sequences and the keys they meet.

    Attributes:
        query_rows: packed rows of the queries, int64, shape (Q,); None: all, in their order.
        key_rows: packed rows of the keys, int64, shape (K,); None: all, in their order.
        query_bounds, key_bounds: where each sequence's are among them, int32.
        longest_query, longest_key: the most that a sequence has.
        causal: whether a query sees the keys up to its own, the last query all; else each sees all.
    """

    query_rows: Tensor | None
    key_rows: Tensor | None
    query_bounds: Tensor
    key_bounds: Tensor
    longest_query: int
    longest_key: int
    causal: bool


@dataclass(frozen=True, slots=True)
class Parts:
    """Attention under prefixes as attention with and attention without a direction.

    Tokens of a prefix see just each other, so they are sequences of their own; later ones see what is left of
    them in their whole sequence.

    Attributes:
        parts: one or two; together they hold every token's query once.
        places: of each row its query among those of the parts, laid end to end, int64, shape (R,); None when
            that is the packed order already.
    """

    parts: tuple[Part, ...]
    places: Tensor | None


def prefixes_of(
    prefixes: np.ndarray | Sequence[int] | None, lengths: Sequence[int]
) -> tuple[int, ...] | None:
    """Prefixes between 1 and their sequence's length; None where all tokens of all sequences see all.

    Args:
        prefixes: shape (S,); None: all see all.
        lengths: of the sequences, S numbers.
    Raises:
        ValueError: there is not one a sequence.
    """
    if prefixes is None:
        return None
    if len(prefixes) != len(lengths):
        raise ValueError(f"{len(prefixes)} prefixes for {len(lengths)} sequences")
    kept = np.clip(np.asarray(prefixes), 1, np.asarray(lengths))
    return None if np.array_equal(kept, lengths) else tuple(kept.tolist())


def unseen_by(prefixes: Tensor, length: int) -> Tensor:
    """True where a key is hidden from a query, shape (S, L, L), for sequences of up to L tokens.

    Args:
        prefixes: at least 1, shape (S,).
        length: L.
    """
    places = torch.arange(length, device=prefixes.device)
    ahead = places[None, :] > places[:, None]
    return ahead & (places >= prefixes[:, None])[:, None, :]


def parts_of(
    prefixes: Sequence[int], lengths: Sequence[int], *, num_rows: int, device: torch.device
) -> Parts:
    """The calls for a kernel that knows sequences with and without a direction.

    Args:
        prefixes: from 1 to the sequence's length, S numbers.
        lengths: of the sequences, S numbers.
        num_rows: R, N or more; rows from N on are idle and repeat the first query.
        device: where the tensors go.
    """
    prefix, length = np.asarray(prefixes), np.asarray(lengths)
    starts = np.concatenate([[0], np.cumsum(length)[:-1]])
    # A prefix of one token is left to the others, which see it anyhow.
    first, later = (prefix > 1) | (prefix == length), prefix < length
    begin = np.where(first, prefix, 0)
    pieces = []
    if first.any():
        own = (starts[first], prefix[first])
        pieces.append((*own, *own, False))
    if later.any():
        begins, left = (starts + begin)[later], (length - begin)[later]
        pieces.append((begins, left, starts[later], length[later], True))
    order = np.concatenate([_ranges(begins, counts) for begins, counts, *_ in pieces])
    places = np.zeros(num_rows, dtype=np.int64)
    places[order] = np.arange(len(order))
    is_sorted = len(pieces) == 1 and len(order) == num_rows
    parts = tuple(_part(*piece, num_rows=num_rows, device=device) for piece in pieces)
    return Parts(parts, None if is_sorted else to_device([places], device)[0])


def _part(
    query_starts: np.ndarray,
    query_counts: np.ndarray,
    key_starts: np.ndarray,
    key_counts: np.ndarray,
    causal: bool,
    *,
    num_rows: int,
    device: torch.device,
) -> Part:
    query_rows, key_rows = _ranges(query_starts, query_counts), _ranges(key_starts, key_counts)
    arrays = (query_rows, key_rows, bounds_of(query_counts), bounds_of(key_counts))
    queries, keys, query_bounds, key_bounds = to_device(arrays, device)
    return Part(
        None if len(query_rows) == num_rows else queries,
        None if len(key_rows) == num_rows else keys,
        query_bounds,
        key_bounds,
        int(query_counts.max()),
        int(key_counts.max()),
        causal,
    )


def _ranges(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """So many whole numbers from each start on, one range after another, int64."""
    bounds = np.cumsum(counts) - counts
    ranges: np.ndarray = np.arange(counts.sum(), dtype=np.int64) + np.repeat(starts - bounds, counts)
    return ranges
