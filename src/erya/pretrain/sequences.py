"""Sequences of a set of shards: where they are, and their tokens.

N tokens, S sequences.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from erya.data.batches import bounds_of
from erya.data.plan import Sequences, concatenate, cut_sequences

_CHUNK_TOKENS = 1 << 24  # bits are unpacked this many at a time, so that memory does not grow with a shard


class TokenShard(Protocol):
    """What is read of a shard."""

    @property
    def tokens(self) -> NDArray[np.unsignedinteger]: ...
    def word_starts(self, start: int, stop: int) -> NDArray[np.bool_]: ...
    def sentence_ends(self, start: int, stop: int) -> NDArray[np.bool_]: ...
    def document_ends(self, start: int, stop: int) -> NDArray[np.bool_]: ...


@dataclass(frozen=True, slots=True)
class PackedTokens:
    """Sequences end to end with their special tokens.

    Attributes:
        ids: int32, shape (N,).
        word_starts: True where a word begins, shape (N,); False for special tokens.
        lengths: tokens of each sequence, int32, shape (S,).
    """

    ids: NDArray[np.int32]
    word_starts: NDArray[np.bool_]
    lengths: NDArray[np.int32]


class ShardSequences:
    """The sequences of shards, numbered from 0 in the order of the text.

    Args:
        shards: at least one.
        max_length: most tokens of a sequence, special tokens included.
        cls_id: put before each sequence.
        sep_id: put after each sequence.
    """

    def __init__(self, shards: Sequence[TokenShard], *, max_length: int, cls_id: int, sep_id: int) -> None:
        self._shards, self._cls_id, self._sep_id = shards, cls_id, sep_id
        # Plain views: slicing a memmap itself costs a hundred times as much as slicing an array.
        self._tokens = [np.asarray(shard.tokens) for shard in shards]
        sizes = [len(tokens) for tokens in self._tokens]
        self._offsets = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
        parts = [cut_shard(shard, max_tokens=max_length - 2) for shard in shards]
        self.sequences: Sequences = concatenate(parts, self._offsets[:-1].tolist())

    @property
    def lengths(self) -> NDArray[np.int32]:
        """Tokens of each sequence, special tokens included, shape (S,)."""
        return self.sequences.lengths + np.int32(2)

    def read(self, numbers: NDArray[np.integer]) -> PackedTokens:
        """The sequences with the given numbers, packed in that order."""
        starts, sizes = self.sequences.starts[numbers], self.sequences.lengths[numbers]
        lengths = sizes + np.int32(2)
        bounds = bounds_of(lengths)
        ids = np.empty(bounds[-1], dtype=np.int32)
        word_starts = np.zeros(bounds[-1], dtype=bool)
        ids[bounds[:-1]], ids[bounds[1:] - 1] = self._cls_id, self._sep_id
        owners = np.searchsorted(self._offsets, starts, side="right") - 1
        firsts = starts - self._offsets[owners]
        rows = zip(owners.tolist(), firsts.tolist(), sizes.tolist(), bounds.tolist(), strict=False)
        for owner, first, size, place in rows:
            body = slice(place + 1, place + 1 + size)
            ids[body] = self._tokens[owner][first : first + size]
            word_starts[body] = self._shards[owner].word_starts(first, first + size)
        return PackedTokens(ids=ids, word_starts=word_starts, lengths=lengths)


def cut_shard(shard: TokenShard, *, max_tokens: int) -> Sequences:
    """The sequences of one shard, numbered from its first token."""
    size = len(shard.tokens)
    sentences, documents = _ends(shard.sentence_ends, size), _ends(shard.document_ends, size)
    if size and (not len(documents) or documents[-1] != size):
        documents = np.append(documents, size)
    return cut_sequences(sentences, documents, max_tokens=max_tokens)


def _ends(bits: Callable[[int, int], NDArray[np.bool_]], size: int) -> NDArray[np.int64]:
    """Exclusive ends from bits that mark the last token of something."""
    found = [
        np.flatnonzero(bits(start, min(start + _CHUNK_TOKENS, size))) + start + 1
        for start in range(0, size, _CHUNK_TOKENS)
    ]
    return np.concatenate([np.zeros(0, np.int64), *found])
