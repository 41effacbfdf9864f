"""Scores that depend on how far apart two tokens are.

G sequences of a group, A heads, L longest length, D width of a head, H width, R embeddings of distances.
A distance is the query's position less the key's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from erya.nn.dropout import Dropout


class RelativeScores(Protocol):
    """What attention asks of relative positions."""

    def scale(self, head_size: int) -> float:
        """What products of queries and keys are multiplied by."""

    def add_scores(self, scores: Tensor, query: Tensor, key: Tensor, distances: Tensor) -> None:
        """Add what distances say to the scaled products of queries and keys.

        Args:
            scores: shape (G, A, L, L), in place.
            query, key: shape (G, A, L, D).
            distances: int64, shape (1, L, L), or (G, L, L) where they differ from sequence to sequence.
        """

    def values(self, probs: Tensor, distances: Tensor) -> Tensor | None:
        """What is added to the values attended to, shape (G, A, L, D), of probabilities (G, A, L, L)."""


class SinusoidDistances(nn.Module):
    """Fixed sinusoids of the distance: added to every key a query meets, and to every value.

    Args:
        head_size: D.
        max_distance: distances beyond count as this one.
    Source: Wei et al. 2019, NEZHA: Neural Contextualized Representation for Chinese Language Understanding,
        section 2.1.
    """

    def __init__(self, head_size: int, max_distance: int) -> None:
        super().__init__()
        self.max_distance = max_distance
        self.table: Tensor
        self.register_buffer("table", sinusoids(2 * max_distance + 1, head_size), persistent=False)

    def forward(self, table: Tensor | None, qkv: nn.Linear) -> RelativeScores:
        """The same in every block."""
        return self

    def scale(self, head_size: int) -> float:
        """See `RelativeScores.scale`."""
        return 1.0 / math.sqrt(head_size)

    def add_scores(self, scores: Tensor, query: Tensor, key: Tensor, distances: Tensor) -> None:
        """See `RelativeScores.add_scores`."""
        by_row = (query * self.scale(query.shape[-1])) @ self.table.to(query.dtype).mT
        scores += _pick(by_row, self._rows(distances))

    def values(self, probs: Tensor, distances: Tensor) -> Tensor | None:
        """See `RelativeScores.values`."""
        by_row = probs.new_zeros((*probs.shape[:-1], len(self.table)))
        by_row = by_row.scatter_add(-1, self._rows(distances)[:, None].expand_as(probs), probs)
        return by_row @ self.table.to(probs.dtype)

    def _rows(self, distances: Tensor) -> Tensor:
        # The table counts from keys far behind the query to keys far ahead.
        return (-distances).clamp(-self.max_distance, self.max_distance) + self.max_distance


class DistanceEmbeddings(nn.Module):
    """Learned embeddings of distances, shared by all blocks.

    Args:
        size: H.
        max_distance, num_buckets: see `DisentangledScores`.
        norm_eps: added to the variance; None for embeddings that are not normalised.
    """

    def __init__(
        self, size: int, *, max_distance: int, num_buckets: int | None, norm_eps: float | None
    ) -> None:
        super().__init__()
        self._max_distance, self._num_buckets = max_distance, num_buckets
        self.embeddings = nn.Embedding(2 * (num_buckets or max_distance), size)
        self.norm = nn.Identity() if norm_eps is None else nn.LayerNorm(size, eps=norm_eps)

    def forward(self, longest: int) -> Tensor:
        """The embeddings that distances of up to `longest` tokens can have, shape (R, H).

        Each block projects them and multiplies them with every token: short sequences need few.
        """
        span = len(self.embeddings.weight) // 2
        reach = min(span, self._last_bucket(longest))
        rows = slice(span - reach, span + reach + 1)
        embedded: Tensor = self.norm(self.embeddings.weight[rows])
        return embedded

    def _last_bucket(self, distance: int) -> int:
        """No bucket up to this distance is further; see `log_buckets`."""
        middle = distance if self._num_buckets is None else self._num_buckets // 2
        if distance <= middle:
            return distance
        if self._max_distance - 1 <= middle:
            return len(self.embeddings.weight)
        steps = math.log(distance / middle) / math.log((self._max_distance - 1) / middle) * (middle - 1)
        return middle + math.ceil(steps) + 1  # which 32 bits may round up to


class DisentangledScores:
    """Distances that meet the queries (c2p), the keys (p2c), or both.

    Args:
        keys: embeddings of distances as keys, shape (A, R, D); None without c2p.
        queries: the same as queries; None without p2c.
        origin: where among the embeddings a distance of 0 is.
        max_distance: distances beyond count as this one.
        num_buckets: far distances share one of so many embeddings a direction; None: each has its own.
    Source: He et al. 2021, DeBERTa, section 3.1; buckets: He et al. 2023, DeBERTaV3, and its code.
    """

    def __init__(
        self,
        *,
        keys: Tensor | None,
        queries: Tensor | None,
        origin: int,
        max_distance: int,
        num_buckets: int | None,
    ) -> None:
        self._keys, self._queries, self._origin = keys, queries, origin
        self._max_distance, self._num_buckets = max_distance, num_buckets
        self._num_terms = 1 + (keys is not None) + (queries is not None)

    def scale(self, head_size: int) -> float:
        """See `RelativeScores.scale`."""
        return 1.0 / math.sqrt(head_size * self._num_terms)

    def add_scores(self, scores: Tensor, query: Tensor, key: Tensor, distances: Tensor) -> None:
        """See `RelativeScores.add_scores`."""
        scale = self.scale(query.shape[-1])
        rows = self._buckets(distances) + self._origin
        if self._keys is not None:
            by_row = (query * scale) @ self._keys.to(query.dtype).mT
            scores += _pick(by_row, rows.clamp(0, by_row.shape[-1] - 1))
        if self._queries is not None:
            by_row = (key * scale) @ self._queries.to(key.dtype).mT
            # For each key the row of each query, then turned round: scores have queries first.
            scores += _pick(by_row, rows.mT.clamp(0, by_row.shape[-1] - 1)).mT

    def values(self, probs: Tensor, distances: Tensor) -> Tensor | None:
        """See `RelativeScores.values`: nothing."""
        return None

    def _buckets(self, distances: Tensor) -> Tensor:
        if self._num_buckets is None:
            return distances
        return log_buckets(distances, num_buckets=self._num_buckets, max_distance=self._max_distance)


class DisentangledDistances(nn.Module):
    """A block's view of the embeddings of distances: projected by layers of its own, or by those for tokens.

    Args:
        size: H.
        num_heads: A, a divisor of H.
        terms: `c2p`, `p2c`.
        shared_projections: whether the layers for tokens are used.
        max_distance, num_buckets: see `DisentangledScores`.
        dropout_prob: of the embeddings, in [0, 1).
    """

    def __init__(
        self,
        size: int,
        num_heads: int,
        *,
        terms: Sequence[str],
        shared_projections: bool,
        max_distance: int,
        num_buckets: int | None,
        dropout_prob: float,
    ) -> None:
        super().__init__()
        self._num_heads, self._terms = num_heads, tuple(terms)
        self._max_distance, self._num_buckets = max_distance, num_buckets
        self.key = nn.Linear(size, size) if "c2p" in terms and not shared_projections else None
        self.query = nn.Linear(size, size) if "p2c" in terms and not shared_projections else None
        self.dropout = Dropout(dropout_prob)

    def forward(self, table: Tensor | None, qkv: nn.Linear) -> DisentangledScores:
        """From the embeddings of distances, 0 in the middle, shape (R, H), and the layer for tokens."""
        assert table is not None, "an encoder with disentangled attention has embeddings of distances"
        embedded = self.dropout(table)
        queries, keys, _ = (_Rows(qkv, part) for part in range(3))
        return DisentangledScores(
            keys=self._heads(self.key or keys, embedded) if "c2p" in self._terms else None,
            queries=self._heads(self.query or queries, embedded) if "p2c" in self._terms else None,
            origin=len(table) // 2,
            max_distance=self._max_distance,
            num_buckets=self._num_buckets,
        )

    def _heads(self, project: Callable[[Tensor], Tensor], embedded: Tensor) -> Tensor:
        return project(embedded).view(len(embedded), self._num_heads, -1).transpose(0, 1)


class _Rows:
    """The queries', keys' or values' part of a layer that makes all three."""

    def __init__(self, qkv: nn.Linear, part: int) -> None:
        size = qkv.out_features // 3
        rows = slice(part * size, (part + 1) * size)
        self._weight, self._bias = qkv.weight[rows], None if qkv.bias is None else qkv.bias[rows]

    def __call__(self, x: Tensor) -> Tensor:
        return functional.linear(x, self._weight, self._bias)


def log_buckets(distances: Tensor, *, num_buckets: int, max_distance: int) -> Tensor:
    """Distances as they are up to half of the buckets, then on a logarithmic scale.

    Args:
        distances: int64, any shape.
        num_buckets: in each direction.
        max_distance: has the last bucket.
    Returns:
        int64, the same shape; the sign is the distance's.
    """
    middle = num_buckets // 2
    far = distances.abs().clamp(min=middle)
    # In 32 bits throughout, as in the original: what is rounded up is often a whole number.
    longest = torch.log(torch.tensor((max_distance - 1) / middle))
    steps = torch.log(far / middle) / longest * (middle - 1)
    bucket = torch.ceil(steps).long() + middle
    return torch.where(distances.abs() <= middle, distances, bucket * distances.sign())


def sinusoids(rows: int, size: int) -> Tensor:
    """Sines at even and cosines at odd places, shape (rows, size).

    Source: Vaswani et al. 2017, Attention Is All You Need, section 3.5.
    """
    # On the CPU even where parameters are made without values, on the device `meta`.
    places = torch.arange(rows, dtype=torch.float32, device="cpu")
    steps = torch.arange(0, size, 2, dtype=torch.float32, device="cpu")
    angles = torch.outer(places, torch.exp(steps * (-math.log(10_000.0) / size)))
    table = torch.zeros(rows, size, device="cpu")
    table[:, 0::2] = angles.sin()
    table[:, 1::2] = angles.cos()[:, : size // 2]
    return table


def _pick(by_row: Tensor, rows: Tensor) -> Tensor:
    """Of (G, A, L, R) the rows wanted for each pair, (G or 1, L, L): shape (G, A, L, L)."""
    wanted = rows[:, None].expand(*by_row.shape[:-1], rows.shape[-1])
    return by_row.gather(-1, wanted)
