"""The order of training data: sequences cut from documents, and the batches of every epoch.

All of it is a pure function of (boundaries, lengths, budget, ramp, seed, epoch), so a run is resumed by a
place (epoch, batch) and nothing has to be read again. A ramp's budget is a function of the tokens before the
batch, and an epoch has the same tokens every time, so not even the epochs before have to be laid out.

T tokens, D documents, Q sequences, B batches.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from erya.data.ramp import Ramp
from erya.errors import ConfigError
from erya.runtime import generator

_SHUFFLE = 0x0D0E  # keeps this stream of random numbers apart from others with the same seed


@dataclass(frozen=True, slots=True)
class Sequences:
    """Where each sequence lies in a run of tokens, and what was left out.

    Attributes:
        starts: first token, int64, shape (Q,).
        lengths: tokens, int32, shape (Q,), special tokens not counted.
        dropped_tokens: tokens in fragments too short to learn from.
        dropped_fragments: how many such fragments.
        split_sentences: sequences that end inside a sentence, since it is longer than a sequence may be.
    """

    starts: NDArray[np.int64]
    lengths: NDArray[np.int32]
    dropped_tokens: int = 0
    dropped_fragments: int = 0
    split_sentences: int = 0

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def num_tokens(self) -> int:
        """Tokens in all sequences, special tokens not counted."""
        return int(self.lengths.sum(dtype=np.int64))


@dataclass(frozen=True, slots=True)
class Share:
    """Which part of every global batch a process computes, and in pieces of which size.

    Attributes:
        rank: of this process, from 0.
        num_ranks: processes that compute a global batch together.
        micro_batch_tokens: most tokens computed at once; None is all that falls to the rank. A longer
            sequence is computed alone.
    """

    rank: int = 0
    num_ranks: int = 1
    micro_batch_tokens: int | None = None


WHOLE = Share()


@dataclass(frozen=True, slots=True)
class Piece:
    """The sequences of one micro-batch.

    Attributes:
        sequences: their numbers.
        is_idle: they are another rank's. Computed for nothing, so that all ranks take equally many passes.
    """

    sequences: NDArray[np.int64]
    is_idle: bool = False


def divide(lengths: NDArray[np.integer], share: Share) -> list[Piece]:
    """Deal the sequences of a global batch out to the ranks and cut what falls to one into micro-batches.

    The ranks' tokens differ by no more than the longest sequence has, all ranks have equally many pieces, and
    every sequence is in just one piece that is not idle.

    Args:
        lengths: tokens of each sequence of the global batch, at least one, shape (Q,).
        share: whose pieces are wanted.
    Returns:
        Pieces with indices into `lengths`, in the order of the batch.
    """
    hands = _deal(lengths, share.num_ranks)
    budget = int(lengths.sum()) if share.micro_batch_tokens is None else share.micro_batch_tokens
    cuts = [_fill(lengths[hand], budget) for hand in hands]
    mine = [hands[share.rank][start:stop] for start, stop in pairwise(cuts[share.rank])]
    num_pieces = max(len(bounds) - 1 for bounds in cuts)
    while len(mine) < num_pieces and (longest := max(map(len, mine), default=0)) > 1:
        place = next(place for place, piece in enumerate(mine) if len(piece) == longest)
        mine[place : place + 1] = [mine[place][: longest // 2], mine[place][longest // 2 :]]
    idle = Piece(np.array([lengths.argmin()]), is_idle=True)
    return [*map(Piece, mine), *[idle] * (num_pieces - len(mine))]


def _deal(lengths: NDArray[np.integer], num_ranks: int) -> list[NDArray[np.int64]]:
    """Each rank's sequences, ascending: the longest first, dealt out there and back."""
    places = np.arange(len(lengths)) % (2 * num_ranks)
    owners = np.empty(len(lengths), dtype=np.int64)
    owners[np.argsort(-lengths, kind="stable")] = np.minimum(places, 2 * num_ranks - 1 - places)
    return [np.flatnonzero(owners == rank) for rank in range(num_ranks)]


def cut_sequences(
    sentence_ends: NDArray[np.int64],
    document_ends: NDArray[np.int64],
    *,
    max_tokens: int,
    min_tokens: int = 4,
) -> Sequences:
    """Cut documents into sequences of whole consecutive sentences.

    A sequence never crosses a document. It takes as many sentences as fit; a sentence longer than
    `max_tokens` is cut inside. All documents are walked at once, one sequence of each a round, so the cost
    is a few array operations for each sequence of the longest document.

    Args:
        sentence_ends: exclusive ends of sentences, ascending; document ends need not be among them.
        document_ends: exclusive ends of documents, ascending, shape (D,); the last is T.
        max_tokens: most tokens of a sequence, special tokens not counted.
        min_tokens: shorter sequences are left out and counted.
    """
    # Two ascending runs, which a stable sort merges; an end that is in both may stay there twice.
    cuts = np.sort(np.concatenate([np.zeros(1, np.int64), sentence_ends, document_ends]), kind="stable")
    starts, limits = np.append(0, document_ends)[:-1], document_ends
    parts: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    split_sentences = 0
    while len(starts):
        furthest = np.minimum(starts + max_tokens, limits)
        stops = cuts[np.searchsorted(cuts, furthest, side="right") - 1]
        inside = stops <= starts
        stops = np.where(inside, furthest, stops)
        split_sentences += int(inside.sum())
        parts.append((starts, stops))
        unfinished = stops < limits
        starts, limits = stops[unfinished], limits[unfinished]
    return _keep_long_enough(parts, min_tokens, split_sentences)


def _keep_long_enough(
    parts: list[tuple[NDArray[np.int64], NDArray[np.int64]]], min_tokens: int, split_sentences: int
) -> Sequences:
    """Put the rounds' sequences in the order of the text and leave out fragments."""
    starts = np.concatenate([part[0] for part in parts]) if parts else np.zeros(0, np.int64)
    stops = np.concatenate([part[1] for part in parts]) if parts else np.zeros(0, np.int64)
    order = np.argsort(starts, kind="stable")
    starts, lengths = starts[order], (stops - starts)[order].astype(np.int32)
    keep = lengths >= min_tokens
    return Sequences(
        starts=starts[keep],
        lengths=lengths[keep],
        dropped_tokens=int(lengths[~keep].sum()),
        dropped_fragments=int((~keep).sum()),
        split_sentences=split_sentences,
    )


def concatenate(parts: list[Sequences], offsets: list[int]) -> Sequences:
    """The sequences of several runs of tokens as of one, the runs laid end to end at `offsets`."""
    empty = Sequences(np.zeros(0, np.int64), np.zeros(0, np.int32))
    parts, offsets = [empty, *parts], [0, *offsets]
    return Sequences(
        starts=np.concatenate([part.starts + offset for part, offset in zip(parts, offsets, strict=True)]),
        lengths=np.concatenate([part.lengths for part in parts]),
        dropped_tokens=sum(part.dropped_tokens for part in parts),
        dropped_fragments=sum(part.dropped_fragments for part in parts),
        split_sentences=sum(part.split_sentences for part in parts),
    )


def fill(
    lengths: NDArray[np.integer], budget: int | Callable[[int], int], *, name: str = "batch_tokens"
) -> NDArray[np.int64]:
    """Fill batches of at most `budget` tokens with sequences in the order given.

    Args:
        lengths: tokens of each sequence, special tokens counted, shape (Q,).
        budget: most tokens of a batch; where it changes, a function of the tokens in the batches before,
            never less than the first, `budget(0)`.
        name: what the budget is called in the error.
    Returns:
        Batch bounds, shape (B + 1,): batch b is sequences bounds[b] to bounds[b + 1].
    Raises:
        ConfigError: a sequence alone is larger than the budget.
    """
    require_fit(lengths, budget if isinstance(budget, int) else budget(0), name=name)
    return _fill(lengths, budget)


def _fill(lengths: NDArray[np.integer], budget: int | Callable[[int], int]) -> NDArray[np.int64]:
    """`fill`, with sequences larger than the budget in batches of their own."""
    ends = np.cumsum(lengths, dtype=np.int64)
    bounds = [0]
    while bounds[-1] < len(ends):
        filled = int(ends[bounds[-1] - 1]) if bounds[-1] else 0
        tokens = budget if isinstance(budget, int) else budget(filled)
        full = int(np.searchsorted(ends, filled + tokens, side="right"))
        bounds.append(max(full, bounds[-1] + 1))
    return np.array(bounds, dtype=np.int64)


def require_fit(lengths: NDArray[np.integer], budget: int, *, name: str) -> None:
    """Check that each sequence fits into `budget` tokens, which the error calls `name`.

    Raises:
        ConfigError: a sequence alone is larger than the budget.
    """
    longest = int(lengths.max(initial=0))
    if longest > budget:
        raise ConfigError(
            f"{name} is {budget}, but a sequence has {longest} tokens",
            hint=f"set {name} to at least {longest}, or shorten the sequences",
        )


@dataclass(frozen=True, slots=True)
class _Epoch:
    """An epoch laid out.

    Attributes:
        order: the sequences, shape (Q,).
        bounds: of batches in `order`, shape (B + 1,).
        tokens: in the batches before each bound, shape (B + 1,).
    """

    order: NDArray[np.int64]
    bounds: NDArray[np.int64]
    tokens: NDArray[np.int64]


class Plan:
    """The global batches of every epoch.

    Each epoch is a fresh shuffle of all sequences, filled into batches of at most `batch_tokens`. The last
    batch of an epoch holds what is left, so every sequence is seen once an epoch.

    Attributes:
        epoch_tokens: tokens of an epoch, the same in each.

    Args:
        lengths: tokens of each sequence, special tokens counted, shape (Q,).
        batch_tokens: most tokens of a global batch.
        seed: of the shuffles.
        ramp: how the batches grow to `batch_tokens`; None for batches of one size.
    Raises:
        ConfigError: there is no sequence, or one is larger than a batch.
    """

    def __init__(
        self, lengths: NDArray[np.integer], *, batch_tokens: int, seed: int, ramp: Ramp | None = None
    ) -> None:
        if not len(lengths):
            raise ConfigError("there is no sequence to train on", hint="is the data empty?")
        require_fit(lengths, batch_tokens, name="batch_tokens")
        if ramp is not None:
            require_fit(lengths, ramp.from_tokens, name="batch_ramp.from_tokens")
        self.lengths, self.batch_tokens, self.seed, self.ramp = lengths, batch_tokens, seed, ramp
        self.epoch_tokens = int(lengths.sum(dtype=np.int64))
        self._epochs: OrderedDict[int, _Epoch] = OrderedDict()
        self._lock = Lock()

    def num_batches(self, epoch: int) -> int:
        """Global batches of `epoch`."""
        return len(self._epoch(epoch).bounds) - 1

    def batch(self, epoch: int, index: int) -> NDArray[np.int64]:
        """The sequences of global batch `index` of `epoch`, as indices into `lengths`."""
        laid = self._epoch(epoch)
        return laid.order[laid.bounds[index] : laid.bounds[index + 1]]

    def tokens_before(self, epoch: int, index: int) -> int:
        """Tokens in all global batches before batch `index` of `epoch`, those of earlier epochs included.

        What changes with training and must not depend on how training went (the size of a batch, the share of
        tokens masked) is a function of this.
        """
        return epoch * self.epoch_tokens + int(self._epoch(epoch).tokens[index])

    def pieces(self, epoch: int, index: int, share: Share) -> list[Piece]:
        """The micro-batches of the same that `share` computes; a function of the plan and `share` alone."""
        sequences = self.batch(epoch, index)
        pieces = divide(self.lengths[sequences], share)
        return [Piece(sequences[piece.sequences], is_idle=piece.is_idle) for piece in pieces]

    def _epoch(self, epoch: int) -> _Epoch:
        """The last two epochs asked for are remembered."""
        with self._lock:
            if epoch not in self._epochs:
                order = generator(_SHUFFLE, self.seed, epoch).permutation(len(self.lengths))
                lengths = self.lengths[order]
                bounds = fill(lengths, self._budget(epoch))
                tokens = np.append(0, np.cumsum(lengths, dtype=np.int64))[bounds]
                self._epochs[epoch] = _Epoch(order, bounds, tokens)
                while len(self._epochs) > 2:
                    self._epochs.popitem(last=False)
            return self._epochs[epoch]

    def _budget(self, epoch: int) -> int | Callable[[int], int]:
        """Most tokens of a batch of `epoch`: of each, or by the tokens of the epoch before it."""
        ramp, before = self.ramp, epoch * self.epoch_tokens
        if ramp is None or before >= ramp.over_tokens:
            return self.batch_tokens
        return lambda filled: ramp.budget(before + filled, full=self.batch_tokens)
