"""A linear chain of tags over packed sequences: how likely paths are, which is best, what tags tokens have.

All sequences go forward together, a place at a time; tokens that take no part are stepped over, so that the
tags on their two sides are neighbours. Nothing waits for the device. N tokens, S sequences, C tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class _Places:
    """Packed tokens in another order: those at place 0 of all sequences, at place 1, and so on.

    Longer sequences stand first, so that those with a token at one place are the first of those at the place
    before.

    Attributes:
        order: the packed row of each, int64, shape (N,).
        sizes: sequences with a token at each place.
    """

    order: Tensor
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, lengths: Sequence[int], device: torch.device) -> _Places:
        sizes_S = np.array(lengths, dtype=np.int64)
        longest_first = np.argsort(-sizes_S, kind="stable")
        starts = (np.cumsum(sizes_S) - sizes_S)[longest_first]
        sizes = [int((sizes_S > place).sum()) for place in range(int(sizes_S.max(initial=0)))]
        rows = [starts[:size] + place for place, size in enumerate(sizes)]
        order = np.concatenate([np.zeros(0, dtype=np.int64), *rows])
        return cls(torch.from_numpy(order).to(device, non_blocking=True), tuple(sizes))

    def split(self, packed: Tensor) -> tuple[Tensor, ...]:
        """The rows of each place."""
        return torch.split(packed.index_select(0, self.order), list(self.sizes))

    def join(self, places: Sequence[Tensor]) -> Tensor:
        """What `split` split."""
        rows = torch.cat(list(places))
        return torch.empty_like(rows).index_copy(0, self.order, rows)


class LinearChainCrf(nn.Module):
    """Scores of tags that begin, follow one another and end; all are zero at first.

    Args:
        num_tags: C.
        scale: what the stored numbers are multiplied by. Adam moves every number by about the learning rate a
            step, which for an encoder is far too little for these: a scale of 100 moves them a hundred times
            as fast.
    Source: Lafferty, McCallum and Pereira 2001, Conditional Random Fields.
    """

    def __init__(self, num_tags: int, *, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale
        self.start = nn.Parameter(torch.zeros(num_tags))
        self.transitions = nn.Parameter(torch.zeros(num_tags, num_tags))
        self.end = nn.Parameter(torch.zeros(num_tags))

    def moves(self) -> tuple[Tensor, Tensor, Tensor]:
        """Scores in float32: of first tags, shape (C,), of tag b right after a at [a, b], (C, C), of last."""
        start, pairs, end = (part.float() * self.scale for part in (self.start, self.transitions, self.end))
        return start, pairs, end

    def log_likelihood(
        self, emissions: Tensor, tags: Tensor, lengths: Sequence[int], *, mask: Tensor | None = None
    ) -> Tensor:
        """The logarithm of the probability of paths, summed over sequences, in float32.

        Args:
            emissions: how well each tag suits each token, shape (N, C).
            tags: the paths, int64, shape (N,); any number where `mask` is False.
            lengths: tokens of each sequence, S of them.
            mask: which tokens take part, shape (N,); None: all. A sequence may have none: it adds 0.
        Returns:
            A scalar.
        """
        emissions = emissions.float()
        keep = torch.ones_like(tags, dtype=torch.bool) if mask is None else mask
        tags = tags.where(keep, 0)
        return self._path_scores(emissions, tags, lengths, keep) - self._log_partition(
            emissions, lengths, keep
        )

    def log_marginals(
        self, emissions: Tensor, lengths: Sequence[int], *, mask: Tensor | None = None
    ) -> Tensor:
        """The logarithm of the probability of each tag at each token, float32, shape (N, C).

        Rows where `mask` is False mean nothing. For the arguments see `log_likelihood`.
        """
        emissions = emissions.float()
        keep = _all_of(emissions) if mask is None else mask
        places = _Places.of(lengths, emissions.device)
        until = places.join([sums for sums, _ in self._forward(emissions, places, keep)])
        after = places.join(self._backward(emissions, places, keep))
        return torch.log_softmax(until + after, dim=-1)

    def _path_scores(self, emissions: Tensor, tags: Tensor, lengths: Sequence[int], keep: Tensor) -> Tensor:
        """The summed scores of the paths."""
        start, pairs, end = self.moves()
        count = len(tags)
        rows = torch.arange(count, device=tags.device)
        sizes = torch.tensor(lengths, device=tags.device)
        ends = sizes.cumsum(0)
        starts = (ends - sizes).repeat_interleave(sizes, output_size=count)
        # The last token that takes part, up to each row; before the sequence's first one it is another's.
        latest = torch.where(keep, rows, -1).cummax(0).values if count else rows
        before = torch.cat([latest.new_full((1,), -1), latest[:-1]]) if count else rows
        follows = keep & (before >= starts)
        own = emissions.gather(1, tags[:, None]).squeeze(1)
        come = torch.where(follows, pairs[tags[before.clamp(min=0)], tags], start[tags])
        total = torch.where(keep, own + come, 0.0).sum()
        filled = sizes > 0
        lasts = latest[(ends - 1).clamp(min=0)] if count else ends
        has_last = filled & (lasts >= ends - sizes)
        return total + torch.where(has_last, end[tags[lasts.clamp(min=0)]], 0.0).sum() if count else total

    def _log_partition(self, emissions: Tensor, lengths: Sequence[int], keep: Tensor) -> Tensor:
        """Logarithms of the summed weights of all paths of each sequence, summed."""
        end = self.moves()[2]
        places = _Places.of(lengths, emissions.device)
        total = emissions.new_zeros(())
        sizes = (*places.sizes[1:], 0)
        for (sums, begun), ongoing in zip(self._forward(emissions, places, keep), sizes, strict=False):
            if len(sums) > ongoing:
                whole = torch.logsumexp(sums[ongoing:] + end, dim=-1)
                total = total + torch.where(begun[ongoing:], whole, 0.0).sum()
        return total

    def _forward(self, emissions: Tensor, places: _Places, keep: Tensor) -> list[tuple[Tensor, Tensor]]:
        """At each place: logarithms of the summed weights of ways up to each tag, and whether one began."""
        start, pairs, _ = self.moves()
        sums = emissions.new_zeros(places.sizes[0] if places.sizes else 0, emissions.shape[1])
        begun = sums.new_zeros(len(sums), dtype=torch.bool)
        steps: list[tuple[Tensor, Tensor]] = []
        for own, part in zip(places.split(emissions), places.split(keep), strict=True):
            sums, begun = sums[: len(own)], begun[: len(own)]
            come = torch.logsumexp(sums[:, :, None] + pairs, dim=1) if steps else start
            new = torch.where(begun[:, None], come, start) + own
            sums, begun = torch.where(part[:, None], new, sums), begun | part
            steps.append((sums, begun))
        return steps

    def _backward(self, emissions: Tensor, places: _Places, keep: Tensor) -> list[Tensor]:
        """At each place: logarithms of the summed weights of ways on from each tag."""
        _, pairs, end = self.moves()
        parts = list(zip(places.split(emissions), places.split(keep), strict=True))
        after: list[Tensor] = []
        for place in reversed(range(len(parts))):
            ended = end.expand(places.sizes[place], -1)
            if after:
                own, part = parts[place + 1]
                went = torch.logsumexp(pairs + (own + after[-1])[:, None, :], dim=2)
                went = torch.where(part[:, None], went, after[-1])
                ended = torch.cat([went, ended[len(went) :]])
            after.append(ended)
        return after[::-1]


def _all_of(emissions: Tensor) -> Tensor:
    return torch.ones(len(emissions), dtype=torch.bool, device=emissions.device)
