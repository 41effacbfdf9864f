"""The order of training data: sequences cut from documents, and the batches of every epoch.

All of it is a pure function of (boundaries, lengths, budget, seed, epoch), so a run is resumed by a place
(epoch, batch) and nothing has to be read again.

T tokens, D documents, Q sequences, B batches.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from itertools import pairwise
from threading import Lock

import numpy as np
from numpy.typing import NDArray

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


def fill(lengths: NDArray[np.integer], budget: int, *, name: str = "batch_tokens") -> NDArray[np.int64]:
    """Fill batches of at most `budget` tokens with sequences in the order given.

    Args:
        lengths: tokens of each sequence, special tokens counted, shape (Q,).
        budget: most tokens of a batch.
        name: what the budget is called in the error.
    Returns:
        Batch bounds, shape (B + 1,): batch b is sequences bounds[b] to bounds[b + 1].
    Raises:
        ConfigError: a sequence alone is larger than the budget.
    """
    require_fit(lengths, budget, name=name)
    ends = np.cumsum(lengths, dtype=np.int64)
    bounds = [0]
    while bounds[-1] < len(ends):
        filled = int(ends[bounds[-1] - 1]) if bounds[-1] else 0
        bounds.append(int(np.searchsorted(ends, filled + budget, side="right")))
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


class Plan:
    """The global batches of every epoch.

    Each epoch is a fresh shuffle of all sequences, filled into batches of at most `batch_tokens`. The last
    batch of an epoch holds what is left, so every sequence is seen once an epoch.

    Args:
        lengths: tokens of each sequence, special tokens counted, shape (Q,).
        batch_tokens: most tokens of a global batch.
        seed: of the shuffles.
    Raises:
        ConfigError: there is no sequence, or one is larger than a batch.
    """

    def __init__(self, lengths: NDArray[np.integer], *, batch_tokens: int, seed: int) -> None:
        if not len(lengths):
            raise ConfigError("there is no sequence to train on", hint="is the data empty?")
        require_fit(lengths, batch_tokens, name="batch_tokens")
        self.lengths, self.batch_tokens, self.seed = lengths, batch_tokens, seed
        self._epochs: OrderedDict[int, tuple[NDArray[np.int64], NDArray[np.int64]]] = OrderedDict()
        self._lock = Lock()

    def num_batches(self, epoch: int) -> int:
        """Global batches of `epoch`."""
        return len(self._epoch(epoch)[1]) - 1

    def batch(self, epoch: int, index: int) -> NDArray[np.int64]:
        """The sequences of global batch `index` of `epoch`, as indices into `lengths`."""
        order, bounds = self._epoch(epoch)
        return order[bounds[index] : bounds[index + 1]]

    def micro_batches(self, epoch: int, index: int, budget: int | None) -> list[NDArray[np.int64]]:
        """The same, split into micro-batches of at most `budget` tokens; None does not split.

        Raises:
            ConfigError: a sequence alone is larger than the budget.
        """
        sequences = self.batch(epoch, index)
        if budget is None or budget >= self.batch_tokens:
            return [sequences]
        bounds = fill(self.lengths[sequences], budget, name="micro_batch_tokens")
        return [sequences[start:stop] for start, stop in pairwise(bounds)]

    def _epoch(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Order (Q,) and batch bounds (B + 1,) of `epoch`; the last two epochs asked for are remembered."""
        with self._lock:
            if epoch not in self._epochs:
                order = generator(_SHUFFLE, self.seed, epoch).permutation(len(self.lengths))
                self._epochs[epoch] = order, fill(self.lengths[order], self.batch_tokens)
                while len(self._epochs) > 2:
                    self._epochs.popitem(last=False)
            return self._epochs[epoch]
