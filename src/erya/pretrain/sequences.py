"""Sequences of a set of shards: where they are, and their tokens.

N tokens, S sequences, Q sequences in all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from erya.data.batches import bounds_of
from erya.data.plan import Sequences, concatenate, cut_sequences
from erya.data.shards import require_vocabulary
from erya.pretrain.pairs import (
    Pairing,
    Texts,
    cut_pairs,
    exchange_seconds,
    set_parallel_apart,
    single,
    swapped,
)

_Number = TypeVar("_Number", np.int32, np.int64)
_CHUNK_TOKENS = 1 << 24  # bits are unpacked this many at a time, so that memory does not grow with a shard


class TokenShard(Protocol):
    """What is read of a shard."""

    @property
    def tokens(self) -> NDArray[np.unsignedinteger]: ...
    def word_starts(self, start: int, stop: int) -> NDArray[np.bool_]: ...
    def sentence_ends(self, start: int, stop: int) -> NDArray[np.bool_]: ...
    def document_ends(self, start: int, stop: int) -> NDArray[np.bool_]: ...
    def pair_starts(self, start: int, stop: int) -> NDArray[np.bool_]: ...


@dataclass(frozen=True, slots=True)
class PackedTokens:
    """Sequences end to end with their special tokens.

    Attributes:
        ids: int32, shape (N,).
        type_ids: 1 for second texts and the [SEP] behind them, else 0, uint8, shape (N,).
        word_starts: True where a word or a text begins, shape (N,); False for special tokens.
        lengths: tokens of each sequence, int32, shape (S,).
        next_sentence: what is to be told of each sequence, int64, shape (S,): 0 if its second text follows, 1
            if it does not or the two are exchanged, -1 if it has none; None where nothing is to be told.
    """

    ids: NDArray[np.int32]
    type_ids: NDArray[np.uint8]
    word_starts: NDArray[np.bool_]
    lengths: NDArray[np.int32]
    next_sentence: NDArray[np.int64] | None = None


class ShardSequences:
    """The sequences of shards, numbered from 0 in the order of the text.

    A sequence is [CLS] text [SEP], or with a second text [CLS] text [SEP] text [SEP].

    Attributes:
        sequences: where the first texts are, how many tokens all texts of a sequence have, what was left out.
        num_pairs: how many have a second text.

    Args:
        shards: at least one.
        max_length: most tokens of a sequence, special tokens included.
        cls_id: put before each sequence.
        sep_id: put after each text.
        pairs: which pairs of texts are to be told apart.
        parallel: share of the shards' parallel pairs laid out as two texts; goes with `pairs="none"` only.
        seed: of the draws among pairs.
        vocab_size: tokens that are read must be below it; None: they are not looked at.
    """

    def __init__(
        self,
        shards: Sequence[TokenShard],
        *,
        max_length: int,
        cls_id: int,
        sep_id: int,
        pairs: Pairing = "none",
        parallel: float = 0.0,
        seed: int = 0,
        vocab_size: int | None = None,
    ) -> None:
        assert pairs == "none" or not parallel, "a parallel pair is neither in order nor out of it"
        self._vocab_size = vocab_size
        self._shards, self._cls_id, self._sep_id, self._pairs, self._seed = (
            shards,
            cls_id,
            sep_id,
            pairs,
            seed,
        )
        # Plain views: slicing a memmap itself costs a hundred times as much as slicing an array.
        self._tokens = [np.asarray(shard.tokens) for shard in shards]
        sizes = [len(tokens) for tokens in self._tokens]
        self._offsets = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
        how = _Cut(max_length, pairs, parallel, seed)
        texts = _concatenated([how.cut(shard) for shard in shards], self._offsets[:-1])
        self._labels: NDArray[np.int64] | None = None
        if pairs == "next":
            texts, self._labels = exchange_seconds(texts, seed=seed)
        # Where pairs are to be told apart every sequence has a label, even if none is a pair.
        self._texts = texts if pairs != "none" or texts.second_lengths.any() else None
        self._first_lengths = texts.first.lengths
        self.num_pairs = int(np.count_nonzero(texts.second_lengths))
        self.sequences: Sequences = replace(texts.first, lengths=texts.first.lengths + texts.second_lengths)

    @property
    def lengths(self) -> NDArray[np.int32]:
        """Tokens of each sequence, special tokens included, shape (Q,)."""
        lengths = self.sequences.lengths + np.int32(2)
        return lengths if self._texts is None else lengths + (self._texts.second_lengths > 0)

    def read(self, numbers: NDArray[np.integer], *, epoch: int = 0) -> PackedTokens:
        """The sequences with the given numbers, packed in that order.

        Args:
            numbers: of the sequences, shape (S,).
            epoch: in which texts may stand in another order.
        Raises:
            InputError: a file of the shards is damaged.
        """
        starts, sizes = self.sequences.starts[numbers], self._first_lengths[numbers]
        if self._texts is None:
            return self._pack(starts, sizes)
        second_starts, second_sizes = self._texts.second_starts[numbers], self._texts.second_lengths[numbers]
        labels = None if self._labels is None else self._labels[numbers]
        if self._pairs == "order":
            is_pair = second_sizes > 0
            swap = swapped(self._seed, epoch, numbers) & is_pair
            labels = np.where(is_pair, swap, -1)
            starts, second_starts = _exchanged(starts, second_starts, swap)
            sizes, second_sizes = _exchanged(sizes, second_sizes, swap)
        packed = self._pack(starts, sizes, second_starts, second_sizes)
        return replace(packed, next_sentence=labels)

    def _pack(
        self,
        starts: NDArray[np.int64],
        sizes: NDArray[np.int32],
        second_starts: NDArray[np.int64] | None = None,
        second_sizes: NDArray[np.int32] | None = None,
    ) -> PackedTokens:
        if second_starts is None or second_sizes is None:
            second_starts, second_sizes = starts[:0], np.zeros_like(sizes)
        has_second = second_sizes > 0
        lengths = sizes + second_sizes + np.int32(2) + has_second
        bounds = bounds_of(lengths)
        ids = np.empty(bounds[-1], dtype=np.int32)
        type_ids = np.zeros(bounds[-1], dtype=np.uint8)
        word_starts = np.zeros(bounds[-1], dtype=bool)
        ids[bounds[:-1]], ids[bounds[1:] - 1] = self._cls_id, self._sep_id
        places = bounds[:-1] + 1
        self._copy(starts, sizes, places, ids, word_starts)
        if has_second.any():
            seconds = places + sizes + 1
            type_ids[
                np.arange(bounds[-1]) >= np.repeat(np.where(has_second, seconds, bounds[1:]), lengths)
            ] = 1
            seconds = seconds[has_second]
            ids[seconds - 1] = self._sep_id
            self._copy(second_starts[has_second], second_sizes[has_second], seconds, ids, word_starts)
            # A text may have been cut inside a word; it is a word's beginning all the same.
            word_starts[seconds] = True
        if self._vocab_size is not None:
            require_vocabulary(ids, self._vocab_size)
        return PackedTokens(ids=ids, type_ids=type_ids, word_starts=word_starts, lengths=lengths)

    def _copy(
        self,
        starts: NDArray[np.int64],
        sizes: NDArray[np.int32],
        places: NDArray[np.int32],
        ids: NDArray[np.int32],
        word_starts: NDArray[np.bool_],
    ) -> None:
        """Put texts to their places."""
        owners = np.searchsorted(self._offsets, starts, side="right") - 1
        firsts = starts - self._offsets[owners]
        rows = zip(owners.tolist(), firsts.tolist(), sizes.tolist(), places.tolist(), strict=True)
        for owner, first, size, place in rows:
            body = slice(place, place + size)
            ids[body] = self._tokens[owner][first : first + size]
            word_starts[body] = self._shards[owner].word_starts(first, first + size)


@dataclass(frozen=True, slots=True)
class _Cut:
    """How shards are cut; see `ShardSequences`."""

    max_length: int
    pairs: Pairing
    parallel: float
    seed: int

    def cut(self, shard: TokenShard) -> Texts:
        """The sequences of one shard, numbered from its first token."""
        size = len(shard.tokens)
        sentences, documents = _ends(shard.sentence_ends, size), _ends(shard.document_ends, size)
        if size and (not len(documents) or documents[-1] != size):
            documents = np.append(documents, size)
        if self.pairs != "none":
            return cut_pairs(sentences, documents, max_tokens=self.max_length - 3)
        plain = cut_sequences(sentences, documents, max_tokens=self.max_length - 2)
        if not self.parallel:
            return single(plain)
        return set_parallel_apart(
            plain,
            _ends(shard.pair_starts, size) - 1,
            documents,
            max_tokens=self.max_length - 3,
            share=self.parallel,
            seed=self.seed,
        )


def _exchanged(
    one: NDArray[_Number], other: NDArray[_Number], swap: NDArray[np.bool_]
) -> tuple[NDArray[_Number], NDArray[_Number]]:
    return np.where(swap, other, one), np.where(swap, one, other)


def _concatenated(parts: list[Texts], offsets: NDArray[np.int64]) -> Texts:
    """The sequences of several shards as of one."""
    first = concatenate([part.first for part in parts], offsets.tolist())
    if not parts:
        return single(first)
    before = np.cumsum([0, *[int(part.documents.max(initial=-1)) + 1 for part in parts]])
    return Texts(
        first,
        np.concatenate([part.second_starts + offset for part, offset in zip(parts, offsets, strict=True)]),
        np.concatenate([part.second_lengths for part in parts]),
        np.concatenate([part.documents + offset for part, offset in zip(parts, before, strict=False)]),
    )


def _ends(bits: Callable[[int, int], NDArray[np.bool_]], size: int) -> NDArray[np.int64]:
    """Exclusive ends from bits that mark the last token of something."""
    found = [
        np.flatnonzero(bits(start, min(start + _CHUNK_TOKENS, size))) + start + 1
        for start in range(0, size, _CHUNK_TOKENS)
    ]
    return np.concatenate([np.zeros(0, np.int64), *found])
