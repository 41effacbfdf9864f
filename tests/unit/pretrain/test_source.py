from itertools import pairwise

import numpy as np
import pytest
from fake_shards import CLS, MASK, SEP, VOCAB, FakeShard

import erya.pretrain.sequences
from erya.data.plan import Share
from erya.errors import ConfigError
from erya.pretrain.masking.masker import Masker
from erya.pretrain.sequences import ShardSequences
from erya.pretrain.source import MaskedSource, held_out_batches

SHARDS = [FakeShard(0), FakeShard(1), FakeShard(2)]


def sequences(max_length: int = 32) -> ShardSequences:
    return ShardSequences(SHARDS, max_length=max_length, cls_id=CLS, sep_id=SEP)


def masker() -> Masker:
    return Masker(prob=0.2, vocab_size=VOCAB, special_ids=range(5), mask_id=MASK, seed=1)


def source() -> MaskedSource:
    return MaskedSource(sequences(), masker(), batch_tokens=200, seed=3)


def test_sequences_are_the_text_between_special_tokens() -> None:
    made = sequences()
    numbers = np.random.default_rng(0).permutation(len(made.lengths))
    packed = made.read(numbers)
    tokens = np.concatenate([shard.tokens for shard in SHARDS])
    words = np.concatenate([shard.words for shard in SHARDS])
    bounds = np.concatenate([[0], np.cumsum(packed.lengths)])
    for number, (start, stop) in zip(numbers, pairwise(bounds), strict=True):
        place = slice(made.sequences.starts[number], made.sequences.starts[number] + stop - start - 2)
        assert packed.ids[start:stop].tolist() == [CLS, *tokens[place], SEP]
        assert packed.word_starts[start:stop].tolist() == [False, *words[place], False]


def test_every_token_is_read_or_counted_and_no_sequence_crosses_a_shard() -> None:
    found = sequences().sequences
    sizes = np.cumsum([len(shard.tokens) for shard in SHARDS])
    assert found.num_tokens + found.dropped_tokens == sizes[-1]
    assert (
        np.searchsorted(sizes, found.starts, side="right")
        == np.searchsorted(sizes, found.starts + found.lengths - 1, side="right")
    ).all()


def test_bits_are_read_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = sequences().sequences
    monkeypatch.setattr(erya.pretrain.sequences, "_CHUNK_TOKENS", 7)
    parts = sequences().sequences
    assert parts.starts.tolist() == whole.starts.tolist()
    assert parts.lengths.tolist() == whole.lengths.tolist()


@pytest.mark.parametrize("micro_batch_tokens", [32, 70])
def test_micro_batches_hold_the_same_masked_tokens(micro_batch_tokens: int) -> None:
    made, share = source(), Share(micro_batch_tokens=micro_batch_tokens)
    for index in range(made.num_batches(1)):
        (batch,), parts = made.batch(1, index), made.batch(1, index, share)
        assert len(parts) > 1 or batch.num_tokens <= micro_batch_tokens
        for name in ("ids", "positions"):
            joined = np.concatenate([getattr(part, name) for part in parts])
            assert (joined == getattr(batch, name)).all()
        labels = np.concatenate([part.targets["masked_labels"] for part in parts])
        assert (labels == batch.targets["masked_labels"]).all()


def test_batches_are_well_formed() -> None:
    (batch,) = source().batch(0, 0)
    places = batch.targets["masked_positions"]
    assert batch.num_tokens <= 200
    assert batch.bounds[-1] == batch.num_tokens
    assert batch.max_length == np.diff(batch.bounds).max()
    assert (batch.ids[batch.bounds[:-1]] == CLS).all()
    assert (batch.positions[batch.bounds[:-1]] == 0).all()
    assert places.dtype == np.int64
    assert len(places) == len(batch.targets["masked_labels"]) > 0


def test_epochs_have_fresh_masks() -> None:
    one, other = source(), source()
    labels = [sorted(one.batch(epoch, 0)[0].targets["masked_labels"].tolist()) for epoch in (0, 1)]
    assert labels[0] != labels[1]
    assert labels[0] == sorted(other.batch(0, 0)[0].targets["masked_labels"].tolist())


def test_held_out_batches_are_always_the_same_and_within_their_budget() -> None:
    batches = held_out_batches(sequences(), masker(), max_tokens=300, seed=0)
    again = held_out_batches(sequences(), masker(), max_tokens=300, seed=0)
    assert 200 < sum(batch.num_tokens for batch in batches) <= 300
    assert all((one.ids == other.ids).all() for one, other in zip(batches, again, strict=True))


def test_no_held_out_text_gives_no_batches() -> None:
    nothing = ShardSequences([], max_length=32, cls_id=CLS, sep_id=SEP)
    assert held_out_batches(nothing, masker(), max_tokens=300, seed=0) == []


def test_no_training_text_is_an_error() -> None:
    nothing = ShardSequences([], max_length=32, cls_id=CLS, sep_id=SEP)
    with pytest.raises(ConfigError, match="no sequence"):
        MaskedSource(nothing, masker(), batch_tokens=200, seed=0)


def test_a_batch_too_small_for_a_sequence_is_an_error_at_once() -> None:
    with pytest.raises(ConfigError, match="batch_tokens is 31, but a sequence has 32"):
        MaskedSource(sequences(), masker(), batch_tokens=31, seed=0)


def test_ranks_learn_the_masks_that_one_process_learns() -> None:
    made = source()
    for index in range(made.num_batches(0)):
        (whole,) = made.batch(0, index)
        ranks = [made.batch(0, index, Share(rank, 3, micro_batch_tokens=40)) for rank in range(3)]
        busy = [batch for batches in ranks for batch in batches if not batch.is_idle]
        labels = np.concatenate([batch.targets["masked_labels"] for batch in busy])
        assert sorted(labels) == sorted(whole.targets["masked_labels"])
        assert len({len(batches) for batches in ranks}) == 1
