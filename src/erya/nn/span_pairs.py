"""Spans as pairs of tokens, each type for itself, so they may nest and overlap: efficient global pointer.

A pair's score is one product of its first and its last token, turned by their positions, the same for all
types, and of each type a bias of the first and of the last. Sequences are taken in groups of similar length,
long ones a few rows at a time: never are the pairs of all sequences there at once, nor kept for the backward
pass.

N tokens, S sequences, T types, D width of a head, M spans, G sequences of a group.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from erya.nn.rotary import rotary_angles

# Pairs, of all types, whose scores there are at a time.
PAIRS_AT_A_TIME = 1 << 21
_BASE = 10_000.0


class SpanPairScorer(nn.Module):
    """What each token has to say as the first and as the last of a span.

    Args:
        hidden_size: width of the states.
        num_types: T.
        head_size: D, even.
        max_positions: positions there are.
    Source: Su et al. 2022, Global Pointer: Novel Efficient Span-based Approach for Named Entity Recognition,
        section 3.3, and the author's implementation.
    """

    def __init__(self, hidden_size: int, num_types: int, *, head_size: int, max_positions: int) -> None:
        super().__init__()
        if head_size % 2:
            raise ValueError(f"rotary positions turn pairs: a head of {head_size} numbers is odd")
        self.head_size, self.num_types = head_size, num_types
        self.ends = nn.Linear(hidden_size, 2 * head_size)
        self.types = nn.Linear(2 * head_size, 2 * num_types)
        angles = rotary_angles(head_size, max_positions, base=_BASE)
        self.cos: Tensor
        self.sin: Tensor
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def forward(self, hidden: Tensor, positions: Tensor) -> Tensor:
        """Of each token its vector as first and as last token, then the types' biases of both, in float32.

        Args:
            hidden: states, shape (N, H).
            positions: of each token in its sequence, int64, shape (N,).
        Returns:
            Shape (N, 2 * D + 2 * T); vectors are turned, and scaled so that their product is the score.
        """
        ends = self.ends(hidden)
        biases = self.types(ends).float() / 2
        vectors = ends.float().unflatten(-1, (2, self.head_size)) / self.head_size**0.25
        cos, sin = (table.index_select(0, positions)[:, None] for table in (self.cos, self.sin))
        even, odd = vectors[..., 0::2], vectors[..., 1::2]
        turned = torch.stack([even * cos - odd * sin, odd * cos + even * sin], dim=-1)
        return torch.cat([turned.flatten(1), biases], dim=-1)


@dataclass(frozen=True, slots=True)
class Tokens:
    """The parts of what `SpanPairScorer` gives, with as many leading dimensions as that has.

    Attributes:
        first, last: vectors, shape (..., D).
        begins, ends: biases of the types, shape (..., T).
    """

    first: Tensor
    last: Tensor
    begins: Tensor
    ends: Tensor

    @classmethod
    def of(cls, features: Tensor, num_types: int) -> Tokens:
        """Cut up features, shape (..., 2 * D + 2 * T)."""
        size = (features.shape[-1] - 2 * num_types) // 2
        return cls(*torch.split(features, [size, size, num_types, num_types], dim=-1))


def span_scores(features: Tensor, spans: Tensor, num_types: int) -> Tensor:
    """The scores of some spans.

    Args:
        features: shape (N, 2 * D + 2 * T).
        spans: first row, last row, type of each, int64, shape (M, 3).
        num_types: T.
    Returns:
        Shape (M,).
    """
    first, last, kind = spans.unbind(1)
    tokens = Tokens.of(features, num_types)
    product = (tokens.first[first] * tokens.last[last]).sum(-1)
    return product + tokens.begins[first, kind] + tokens.ends[last, kind]


def span_loss(
    features: Tensor,
    spans: Tensor,
    num_spans: Tensor,
    lengths: Sequence[int],
    num_types: int,
    *,
    pairs_at_a_time: int = PAIRS_AT_A_TIME,
) -> Tensor:
    """Softmax for any number of right answers, summed over sequences and types, in float32.

    Of each sequence and type: log(1 + sum of exp(score) over what is no span) + log(1 + sum of exp(-score)
    over what is one). Above 0 is what should count as a span.

    Args:
        features: shape (N, 2 * D + 2 * T).
        spans: first token, last token (counted in their sequence), type of each span of the truth, one
            sequence after the other, none twice, int64, shape (M, 3).
        num_spans: of each sequence, int64, shape (S,).
        lengths: tokens of each sequence.
        num_types: T.
        pairs_at_a_time: of all types, whose scores are kept at once; more where one token alone has more.
    Returns:
        A scalar.
    Source: Su et al. 2022, ZLPR: A Novel Loss for Multi-label Classification; Sun et al. 2020, Circle Loss.
    """
    features, counts = features.float(), np.array(lengths)
    truth = np.concatenate(
        [np.repeat(np.arange(len(counts)), num_spans.cpu().numpy())[:, None], spans.cpu().numpy()], axis=1
    )
    starts = np.cumsum(counts) - counts
    rows = truth[:, 1:] + np.stack([starts, starts, 0 * starts], axis=1)[truth[:, 0]]
    scores = span_scores(features, torch.from_numpy(rows).to(features.device), num_types)
    cells = torch.from_numpy(truth[:, 0] * num_types + truth[:, 3]).to(features.device)
    total = _log_one_and_sums(-scores, cells, len(counts) * num_types).sum()
    tokens = Tokens.of(features, num_types)
    for group in _groups(counts, num_types, pairs_at_a_time):
        parts = [
            _over_wrong(tokens, tile, tile.hidden(truth, num_types), features.requires_grad) for tile in group
        ]
        total = total + torch.logsumexp(torch.stack([torch.zeros_like(parts[0]), *parts]), dim=0).sum()
    return total


@torch.no_grad()
def find_spans(
    features: Tensor,
    lengths: Sequence[int],
    num_types: int,
    *,
    threshold: float = 0.0,
    pairs_at_a_time: int = PAIRS_AT_A_TIME,
) -> list[np.ndarray]:
    """The pairs of each sequence whose score is above a threshold.

    Args:
        features: shape (N, 2 * D + 2 * T).
        lengths: tokens of each sequence.
        num_types: T.
        threshold: of scores.
        pairs_at_a_time: of all types, whose scores are kept at once.
    Returns:
        For each sequence first token, last token, type and score of each pair, float64, shape (M, 4).
    """
    tokens = Tokens.of(features.float(), num_types)
    found: list[list[np.ndarray]] = [[] for _ in lengths]
    for group in _groups(np.array(lengths), num_types, pairs_at_a_time):
        for tile in group:
            scores = tile.scores(tokens)
            places = (scores > threshold).nonzero()
            values = scores[tuple(places.unbind(1))].double().cpu().numpy()
            sequence, kind, first, last = places.cpu().numpy().T
            rows = np.stack([first + tile.row, last + tile.row, kind, values], axis=1)
            for place in np.unique(sequence):
                found[tile.sequences[place]].append(rows[sequence == place])
    return [np.concatenate([np.zeros((0, 4)), *parts]) for parts in found]


# Less than any score, and finite: what is left of a sum over nothing has a gradient.
_HIDDEN = -1e30


@dataclass(frozen=True, slots=True)
class _Tile:
    """Some first tokens of a group of sequences, and all last tokens from the first of these on.

    Attributes:
        sequences: their numbers, G of them.
        lengths: of each, shape (G,).
        starts: the packed row each begins at, shape (G,).
        row: the first of the first tokens.
        num_rows: how many of these there are, R.
    """

    sequences: np.ndarray
    lengths: np.ndarray
    starts: np.ndarray
    row: int
    num_rows: int

    @property
    def width(self) -> int:
        """Last tokens, W."""
        return int(self.lengths.max()) - self.row

    def scores(self, tokens: Tokens) -> Tensor:
        """Of all pairs, float32, shape (G, T, R, W); far below any score for what is no pair."""
        device = tokens.first.device
        places = np.minimum(np.arange(self.width) + self.row, self.lengths[:, None] - 1)
        index = torch.from_numpy(places + self.starts[:, None]).to(device)
        rows = index[:, : self.num_rows]
        with torch.autocast(device.type, enabled=False):
            products = tokens.first[rows] @ tokens.last[index].mT
            begins, ends = tokens.begins[rows].mT[..., None], tokens.ends[index].mT[:, :, None]
            scores = products[:, None] + begins + ends
        columns = torch.arange(self.width, device=device)
        left = torch.from_numpy(self.lengths - self.row).to(device)
        is_pair = (columns >= columns[: self.num_rows, None]) & (columns < left[:, None, None])
        return scores.masked_fill(~is_pair[:, None], _HIDDEN)

    def hidden(self, truth: np.ndarray, num_types: int) -> np.ndarray:
        """Where spans (sequence, first, last, type) stand in `scores` laid flat."""
        place = np.full(int(truth[:, 0].max(initial=-1)) + 1, -1)
        own = self.sequences[self.sequences < len(place)]
        place[own] = np.flatnonzero(self.sequences < len(place))
        group, first, last = place[truth[:, 0]], truth[:, 1] - self.row, truth[:, 2] - self.row
        here = (group >= 0) & (first >= 0) & (first < self.num_rows)
        flat = ((group * num_types + truth[:, 3]) * self.num_rows + first) * self.width + last
        return np.asarray(flat[here])


def _groups(lengths: np.ndarray, num_types: int, budget: int) -> Iterator[list[_Tile]]:
    """All sequences in groups of similar length, each as the tiles that its pairs are in.

    Only a sequence that is a group of its own has several.
    """
    order = np.argsort(-lengths, kind="stable")
    starts = np.cumsum(lengths) - lengths
    done = 0
    while done < len(order) and lengths[order[done]] > 0:
        longest = int(lengths[order[done]])
        own = order[done : done + max(budget // (num_types * longest**2), 1)]
        own = own[lengths[own] > 0]
        done += len(own)
        tiles, row = [], 0
        while row < longest:
            num_rows = min(max(budget // (len(own) * num_types * (longest - row)), 1), longest - row)
            tiles.append(_Tile(own, lengths[own], starts[own], row, num_rows))
            row += num_rows
        yield tiles


def _over_wrong(tokens: Tokens, tile: _Tile, hidden: np.ndarray, keep_little: bool) -> Tensor:
    """The logarithm of the sum of exp(score) over the pairs of a tile but the hidden ones, shape (G, T)."""

    def compute(first: Tensor, last: Tensor, begins: Tensor, ends: Tensor) -> Tensor:
        scores = tile.scores(Tokens(first, last, begins, ends))
        index = torch.from_numpy(hidden).to(scores.device)
        wrong = scores.flatten().index_fill(0, index, _HIDDEN).view_as(scores)
        return torch.logsumexp(wrong.flatten(2), dim=-1)

    parts = (tokens.first, tokens.last, tokens.begins, tokens.ends)
    if not keep_little:
        return compute(*parts)
    sums: Tensor = checkpoint(compute, *parts, use_reentrant=False)
    return sums


def _log_one_and_sums(logs: Tensor, cells: Tensor, num_cells: int) -> Tensor:
    """log(1 + the sum of exp(logs) in each cell), shape (num_cells,); `logs` and `cells` have shape (M,)."""
    zeros = logs.new_zeros(num_cells)
    most = zeros.scatter_reduce(0, cells, logs.detach(), "amax", include_self=True)
    sums = (-most).exp().index_add(0, cells, (logs - most[cells]).exp())
    return sums.log() + most
