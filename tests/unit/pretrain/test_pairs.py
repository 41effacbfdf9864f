from itertools import pairwise

import numpy as np
import pytest
from fake_shards import CLS, MASK, SEP, VOCAB, FakeShard
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from erya.data.batches import PackedBatch
from erya.data.plan import Share
from erya.pretrain.masking.masker import Masker
from erya.pretrain.masking.units import ngrams
from erya.pretrain.pairs import Pairing, cut_pairs
from erya.pretrain.sequences import PackedTokens, ShardSequences
from erya.pretrain.source import MaskedSource

SHARDS = [FakeShard(seed, documents=60) for seed in range(3)]


class ParallelShard(FakeShard):
    """Every other document of several sentences is a pair, whose second text is its last sentence."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        ends = np.flatnonzero(self.documents) + 1
        sentences = np.flatnonzero(self.sentences) + 1
        last = sentences[np.searchsorted(sentences, ends) - 1]
        self.pairs = np.array([at for at, start in zip(last, [0, *ends], strict=False) if at > start][::2])

    def pair_starts(self, start: int, stop: int) -> NDArray[np.bool_]:
        marks = np.zeros(len(self.tokens), bool)
        marks[self.pairs] = True
        return marks[start:stop]


def sequences(pairs: Pairing, *, max_length: int = 33, seed: int = 0) -> ShardSequences:
    return ShardSequences(SHARDS, max_length=max_length, cls_id=CLS, sep_id=SEP, pairs=pairs, seed=seed)


def texts_of(packed: PackedTokens) -> list[tuple[list[int], list[int]]]:
    """The first and second text of each sequence, whose frame of special tokens is checked."""
    found: list[tuple[list[int], list[int]]] = []
    for start, stop in pairwise(np.cumsum([0, *packed.lengths])):
        ids, types = packed.ids[start:stop].tolist(), packed.type_ids[start:stop].tolist()
        middle = ids.index(SEP)
        first, second = ids[1:middle], ids[middle + 1 : -1]
        assert (ids[0], ids[-1]) == (CLS, SEP)
        assert types == [0] * (middle + 1) + [1] * (len(ids) - middle - 1)
        found.append((first, second))
    return found


def read_all(made: ShardSequences, *, epoch: int = 0) -> PackedTokens:
    return made.read(np.arange(len(made.lengths)), epoch=epoch)


def joined() -> tuple[list[int], NDArray[np.int64], NDArray[np.int64]]:
    """The tokens of all shards, the sentence of each and its document."""
    tokens = np.concatenate([shard.tokens for shard in SHARDS]).tolist()
    sentences = np.concatenate([shard.sentences for shard in SHARDS])
    documents = np.concatenate([shard.documents for shard in SHARDS])
    return tokens, np.cumsum(sentences) - sentences, np.cumsum(documents) - documents


def test_pairs_are_consecutive_texts_of_one_document() -> None:
    made = sequences("order")
    tokens, sentences, documents = joined()
    packed = read_all(made)
    assert packed.next_sentence is not None
    for start, (one, other), swapped in zip(
        made.sequences.starts, texts_of(packed), packed.next_sentence, strict=True
    ):
        assert (swapped == -1) == (not other)
        if not other:
            continue
        first, second = (other, one) if swapped else (one, other)
        stop, middle = start + len(first) + len(second), start + len(first)
        assert first + second == tokens[start:stop]
        assert min(len(first), len(second)) > 0 and max(len(first), len(second)) <= 15
        assert documents[start] == documents[stop - 1]
        assert sentences[middle - 1] != sentences[middle], "cut after a sentence"
    assert (made.lengths == packed.lengths).all()
    assert made.lengths.max() <= 33
    assert made.sequences.num_tokens + made.sequences.dropped_tokens == len(tokens)
    assert made.num_pairs == (packed.next_sentence >= 0).sum() > 50
    assert made.num_pairs < len(made.lengths)


def test_texts_that_stand_alone_are_cut_in_two_or_stay_alone() -> None:
    # Documents of 6 (two sentences), 5 (one), 12 (two of 6), 3 and 6 (three sentences) tokens.
    sentences, documents = np.array([4, 6, 11, 17, 23, 27, 28, 32]), np.array([6, 11, 23, 26, 32])
    found = cut_pairs(sentences, documents, max_tokens=12)
    assert found.first.starts.tolist() == [0, 6, 11, 26]
    assert found.first.lengths.tolist() == [4, 5, 6, 2]
    assert found.second_starts[[0, 2, 3]].tolist() == [4, 17, 28]
    assert found.second_lengths.tolist() == [2, 0, 6, 4]
    assert (found.first.dropped_tokens, found.first.dropped_fragments) == (3, 1)
    assert found.documents.tolist() == [0, 1, 2, 4]


@given(
    st.lists(st.lists(st.integers(1, 30), min_size=1, max_size=8), min_size=1, max_size=12),
    st.integers(8, 40),
)
def test_every_token_is_in_one_text_or_counted(documents: list[list[int]], max_tokens: int) -> None:
    sentences = np.cumsum(np.concatenate(documents)).astype(np.int64)
    ends = np.cumsum([sum(document) for document in documents]).astype(np.int64)
    found = cut_pairs(sentences, ends, max_tokens=max_tokens)
    seen, first = np.zeros(ends[-1], int), found.first
    seconds = zip(found.second_starts, found.second_lengths, strict=True)
    for number, (second, second_length) in enumerate(seconds):
        start, length = first.starts[number], first.lengths[number]
        seen[start : start + length] += 1
        seen[second : second + second_length] += 1
        assert 0 < length <= max_tokens // 2 and 0 <= second_length <= max_tokens // 2
        stop = start + length + second_length
        document = found.documents[number]
        assert ([0, *ends][document] <= start) and stop <= ends[document]
        assert not second_length or second == start + length
    assert seen.max(initial=0) <= 1
    assert (seen == 0).sum() == first.dropped_tokens


def test_half_of_the_second_texts_come_from_other_documents_each_once() -> None:
    made, plain = sequences("next"), sequences("order")
    packed = read_all(made)
    _, _, documents = joined()
    labels = packed.next_sentence
    assert labels is not None
    is_pair = labels >= 0
    assert labels[is_pair].mean() == pytest.approx(0.5, abs=0.12)
    texts = made._texts
    assert texts is not None and plain._texts is not None
    seconds, true = texts.second_starts, plain._texts.second_starts
    same = documents[made.sequences.starts[is_pair]] == documents[seconds[is_pair]]
    assert (same == (labels[is_pair] == 0)).all()
    assert ((seconds == true) == (labels <= 0)).all()
    assert sorted(seconds) == sorted(true), "no text is lost"
    assert made.lengths.max() <= 33 and (packed.lengths == made.lengths).all()
    again = read_all(made, epoch=1)
    assert (again.ids == packed.ids).all(), "lengths, and so the plan, hold for every epoch"
    assert (read_all(sequences("next", seed=1)).next_sentence != labels).any()


def test_order_is_exchanged_in_half_of_the_pairs_anew_every_epoch() -> None:
    made = sequences("order")
    first, second = read_all(made), read_all(made, epoch=1)
    assert first.next_sentence is not None and second.next_sentence is not None
    is_pair = first.next_sentence >= 0
    assert (is_pair == (second.next_sentence >= 0)).all()
    assert first.next_sentence[is_pair].mean() == pytest.approx(0.5, abs=0.12)
    assert (first.next_sentence != second.next_sentence)[is_pair].mean() == pytest.approx(0.5, abs=0.12)
    for one, other, swapped in zip(
        texts_of(first), texts_of(second), first.next_sentence != second.next_sentence, strict=True
    ):
        assert one == (other[::-1] if swapped else other)


@pytest.mark.parametrize("pairs", ["next", "order"])
def test_text_without_a_pair_has_nothing_to_tell_and_says_so(pairs: Pairing) -> None:
    shard = FakeShard(0, documents=1)
    shard.tokens, shard.words = shard.tokens[:9], shard.words[:9]
    shard.sentences = shard.documents = np.arange(9) == 8
    made = ShardSequences([shard], max_length=33, cls_id=CLS, sep_id=SEP, pairs=pairs)
    packed = made.read(np.array([0]))
    assert made.num_pairs == 0 and len(packed.ids) == 11
    assert packed.next_sentence is not None and packed.next_sentence.tolist() == [-1]


def test_one_document_has_no_other_to_take_a_text_from() -> None:
    shard = FakeShard(1, documents=1)
    made = ShardSequences([shard], max_length=12, cls_id=CLS, sep_id=SEP, pairs="next", seed=1)
    packed = read_all(made)
    assert packed.next_sentence is not None and set(packed.next_sentence) <= {0, -1}


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_parallel_pairs_have_two_texts_and_the_rest_one(share: float) -> None:
    shards = [ParallelShard(seed) for seed in range(4)]
    made = ShardSequences(shards, max_length=43, cls_id=CLS, sep_id=SEP, parallel=share)
    plain = ShardSequences(shards, max_length=43, cls_id=CLS, sep_id=SEP)
    packed = read_all(made)
    assert packed.next_sentence is None
    texts = texts_of(packed)
    assert [one + other for one, other in texts] == [one for one, _ in texts_of(read_all(plain))]
    offsets = np.cumsum([0, *[len(shard.tokens) for shard in shards]])
    starts = set(
        np.concatenate([shard.pairs + at for shard, at in zip(shards, offsets, strict=False)]).tolist()
    )
    found = [
        start + len(one) for start, (one, other) in zip(made.sequences.starts, texts, strict=True) if other
    ]
    assert set(found) <= starts
    ends = np.concatenate(
        [np.flatnonzero(shard.documents) + 1 + at for shard, at in zip(shards, offsets, strict=False)]
    )
    sizes = np.diff(ends, prepend=0)
    fit = [at for at in starts if sizes[np.searchsorted(ends, at, side="right")] <= 40]
    assert len(found) / len(fit) == pytest.approx(share, abs=0.25 if share < 1 else 0)
    assert (made.lengths == packed.lengths).all()
    assert made.num_pairs == len(found)


def masker() -> Masker:
    return Masker(prob=0.3, vocab_size=VOCAB, special_ids=range(5), mask_id=MASK, seed=1, units=ngrams())


def labelled(batches: list[PackedBatch]) -> list[tuple[list[int], int]]:
    found = []
    for batch in batches:
        for number, (start, stop) in enumerate(pairwise(batch.bounds)):
            found.append((batch.ids[start:stop].tolist(), int(batch.targets["next_sentence"][number])))
    return sorted(found)


def test_ranks_and_micro_batches_see_the_same_pairs() -> None:
    source = MaskedSource(sequences("order"), masker(), batch_tokens=400, seed=2)
    whole = labelled(source.batch(1, 0))
    assert {label for _, label in whole} == {-1, 0, 1}
    parts = [
        batch
        for rank in range(2)
        for batch in source.batch(1, 0, Share(rank=rank, num_ranks=2, micro_batch_tokens=90))
        if not batch.is_idle
    ]
    assert len(parts) > 2
    assert labelled(parts) == whole


def test_both_texts_are_masked_and_no_special_token_is() -> None:
    (batch,) = MaskedSource(sequences("next"), masker(), batch_tokens=4000, seed=2).batch(0, 0)
    places = batch.targets["masked_positions"]
    assert batch.type_ids[places].mean() == pytest.approx(batch.type_ids.mean(), abs=0.1)
    assert batch.targets["masked_labels"].min() >= 5
    assert batch.targets["next_sentence"].dtype == np.int64
