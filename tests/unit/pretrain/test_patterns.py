from itertools import pairwise

import numpy as np
import pytest
from fake_shards import CLS, MASK, SEP, VOCAB, FakeShard

from erya.data.batches import PackedBatch
from erya.data.plan import Share
from erya.pretrain.masking.masker import Masker
from erya.pretrain.masking.patterns import Patterns, PatternShares
from erya.pretrain.sequences import ShardSequences
from erya.pretrain.source import MaskedSource, masked_batch

SEQUENCES = ShardSequences(
    [FakeShard(seed, documents=200) for seed in range(3)], max_length=32, cls_id=CLS, sep_id=SEP
)
NUMBERS = np.arange(len(SEQUENCES.lengths))
MIXED = PatternShares(both=0.4, left_to_right=0.1, right_to_left=0.2, prefix=0.3)


def masker() -> Masker:
    return Masker(prob=0.3, vocab_size=VOCAB, special_ids=range(5), mask_id=MASK, seed=1)


def batch_of(shares: PatternShares, *, epoch: int = 0, seed: int = 1) -> PackedBatch:
    patterns = Patterns(shares, seed=seed)
    return masked_batch(SEQUENCES, masker(), NUMBERS, epoch=epoch, patterns=patterns)


def kinds(batch: PackedBatch) -> np.ndarray:
    """0: both, 1: left to right, 2: right to left, 3: prefix."""
    assert batch.prefixes is not None
    lengths = np.diff(batch.bounds)
    backwards = batch.positions[batch.bounds[:-1]] > 0
    return np.select([backwards, batch.prefixes == lengths, batch.prefixes == 1], [2, 0, 1], 3)


def targets_by_place(batch: PackedBatch) -> dict[int, int]:
    places, labels = batch.targets["masked_positions"].tolist(), batch.targets["masked_labels"].tolist()
    return dict(zip(places, labels, strict=True))


def test_the_shares_are_as_asked() -> None:
    found = np.bincount(kinds(batch_of(MIXED)), minlength=4) / len(NUMBERS)
    assert found == pytest.approx([0.4, 0.1, 0.2, 0.3], abs=4 * 0.5 / len(NUMBERS) ** 0.5)
    for number, name in enumerate(("both", "left_to_right", "right_to_left", "prefix")):
        only = PatternShares(**({"both": 0.0} | {name: 1.0}))
        assert set(kinds(batch_of(only))) == {number}


def test_right_to_left_is_the_same_text_and_masks_mirrored() -> None:
    plain = masked_batch(SEQUENCES, masker(), NUMBERS, epoch=0)
    turned = batch_of(PatternShares(both=0.5, right_to_left=0.5))
    backwards = kinds(turned) == 2
    assert (np.diff(turned.targets["masked_positions"]) > 0).all()
    known, found = targets_by_place(plain), targets_by_place(turned)
    for number, (start, stop) in enumerate(pairwise(turned.bounds.tolist())):
        step = -1 if backwards[number] else 1
        assert turned.ids[start:stop][::step].tolist() == plain.ids[start:stop].tolist()
        assert turned.positions[start:stop][::step].tolist() == list(range(stop - start))
        for place in range(start, stop):
            mirrored = start + stop - 1 - place if backwards[number] else place
            assert found.get(mirrored) == known.get(place)


def test_only_what_comes_after_a_prefix_is_predicted_and_it_ends_before_a_word() -> None:
    batch = batch_of(PatternShares(both=0, prefix=1))
    assert batch.prefixes is not None
    lengths = np.diff(batch.bounds)
    owners = np.searchsorted(batch.bounds, batch.targets["masked_positions"], side="right") - 1
    inside = batch.targets["masked_positions"] - batch.bounds[owners]
    assert (inside >= batch.prefixes[owners]).all()
    assert np.unique(owners).size > 0.9 * len(NUMBERS), "nearly all sequences have something to predict"
    starts = SEQUENCES.read(NUMBERS).word_starts
    after = batch.bounds[:-1] + batch.prefixes
    long = lengths > 20
    assert starts[after[long]].mean() > 0.95
    parts = (batch.prefixes / lengths)[long]
    assert parts.min() >= 0.2 and parts.mean() == pytest.approx(0.52, abs=0.05) and parts.max() < 1
    # The same share of what may be predicted.
    room = (lengths - batch.prefixes - 1).sum()
    assert len(inside) / room == pytest.approx(0.3, abs=0.05)


def test_patterns_change_with_seed_and_epoch_and_not_with_ranks() -> None:
    first = kinds(batch_of(MIXED))
    assert (first == kinds(batch_of(MIXED))).all()
    assert (first != kinds(batch_of(MIXED, epoch=1))).mean() > 0.5
    assert (first != kinds(batch_of(MIXED, seed=2))).mean() > 0.5
    source = MaskedSource(SEQUENCES, masker(), batch_tokens=600, seed=2, patterns=Patterns(MIXED, seed=1))

    def seen(batches: list[PackedBatch]) -> list[tuple[int, list[int]]]:
        return sorted(
            (
                int(batch.prefixes[number]),
                batch.ids[start:stop].tolist(),
                batch.positions[start:stop].tolist(),
            )
            for batch in batches
            for number, (start, stop) in enumerate(pairwise(batch.bounds))
            if batch.prefixes is not None
        )

    whole = seen(source.batch(0, 1))
    shares = [Share(rank=rank, num_ranks=3, micro_batch_tokens=100) for rank in range(3)]
    parts = [batch for share in shares for batch in source.batch(0, 1, share) if not batch.is_idle]
    assert len(whole) > 10 and seen(parts) == whole


def test_a_first_token_that_sees_only_itself_has_no_pair_to_tell() -> None:
    pairs = ShardSequences(
        [FakeShard(seed, documents=60) for seed in range(3)],
        max_length=33,
        cls_id=CLS,
        sep_id=SEP,
        pairs="order",
    )
    numbers = np.arange(len(pairs.lengths))
    batch = masked_batch(pairs, masker(), numbers, epoch=0, patterns=Patterns(MIXED, seed=1))
    has_second = np.maximum.reduceat(batch.type_ids, batch.bounds[:-1]) > 0
    assert ((batch.targets["next_sentence"] >= 0) == (has_second & (kinds(batch) == 0))).all()
    assert 0 < has_second.mean() < 1
