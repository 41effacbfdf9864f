from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from fake_shards import CLS, MASK, SEP, VOCAB, FakeShard

from erya.data.batches import PackedBatch, bounds_of, positions_of
from erya.pretrain.baseline import BigramModel, bigram_accuracy, masked_accuracy
from erya.pretrain.sequences import ShardSequences


@pytest.fixture
def sequences() -> ShardSequences:
    return ShardSequences([FakeShard(0), FakeShard(1)], max_length=24, cls_id=CLS, sep_id=SEP)


@pytest.fixture
def model(sequences: ShardSequences) -> BigramModel:
    return BigramModel.count(sequences, vocab_size=VOCAB)


def pairs_by_hand(sequences: ShardSequences) -> Counter[tuple[int, int]]:
    ids = sequences.read(np.arange(len(sequences.lengths))).ids.tolist()
    return Counter(pairwise(ids))


def test_pairs_are_counted(sequences: ShardSequences, model: BigramModel) -> None:
    found = {divmod(key, VOCAB): times for key, times in zip(model.keys, model.times, strict=True)}
    assert found == pairs_by_hand(sequences)
    assert model.counts.sum() == sequences.lengths.sum()


def test_pairs_are_counted_the_same_in_pieces(
    sequences: ShardSequences, model: BigramModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("erya.pretrain.baseline._CHUNK_TOKENS", 24)
    pieces = BigramModel.count(sequences, vocab_size=VOCAB)
    # Only pairs of two sequences, [SEP] and [CLS], are cut.
    kept = model.keys != SEP * VOCAB + CLS
    np.testing.assert_array_equal(pieces.keys, model.keys[kept])
    np.testing.assert_array_equal(pieces.times, model.times[kept])


def test_a_sample_is_spread_over_the_text(sequences: ShardSequences, model: BigramModel) -> None:
    sample = BigramModel.count(sequences, vocab_size=VOCAB, max_tokens=int(model.counts.sum()) // 4)
    assert 0.1 < sample.counts.sum() / model.counts.sum() < 0.4


def score(model: BigramModel, left: int, token: int, right: int) -> float:
    """P(token | left) P(right | token), smoothed, said plainly."""
    prior, share = 100.0, model.counts / model.counts.sum()
    pairs = {divmod(int(key), VOCAB): times for key, times in zip(model.keys, model.times, strict=True)}
    follows = (pairs.get((left, token), 0) + prior * share[token]) / (model.counts[left] + prior)
    leads = (pairs.get((token, right), 0) + prior * share[right]) / (model.counts[token] + prior)
    return float((share[token] if left == MASK else follows) * (1 if right == MASK else leads))


@pytest.mark.parametrize("hidden", ["none", "left", "right", "both"])
def test_guesses_are_the_likeliest_tokens(model: BigramModel, hidden: str) -> None:
    rng = np.random.default_rng(0)
    left, right = rng.integers(5, VOCAB, (2, 40))
    left = np.full(40, MASK) if hidden in ("left", "both") else left
    right = np.full(40, MASK) if hidden in ("right", "both") else right
    guesses = model.guess(left, right, np.full(40, MASK), mask_id=MASK)
    for one, two, guess in zip(left, right, guesses, strict=True):
        best = max(score(model, one, token, two) for token in range(VOCAB))
        assert score(model, one, int(guess), two) == pytest.approx(best, rel=1e-4)


def test_guesses_do_not_depend_on_their_company(model: BigramModel, monkeypatch: pytest.MonkeyPatch) -> None:
    left, right = np.random.default_rng(1).integers(4, VOCAB, (2, 30))
    seen = np.full(30, MASK)
    together = model.guess(left, right, seen, mask_id=MASK)
    monkeypatch.setattr("erya.pretrain.baseline._CHUNK_SCORES", 7 * VOCAB)
    np.testing.assert_array_equal(model.guess(left, right, seen, mask_id=MASK), together)


def test_a_token_that_is_shown_is_believed(model: BigramModel) -> None:
    left, right, seen = np.array([7, 8]), np.array([9, 10]), np.array([30, MASK])
    guesses = model.guess(left, right, seen, mask_id=MASK)
    assert guesses[0] == 30 and guesses[1] != MASK


def batch(text: list[int], hidden: list[int]) -> PackedBatch:
    ids = np.array([CLS, *text, SEP], dtype=np.int32)
    places = np.array(hidden, dtype=np.int64)
    labels = ids[places].astype(np.int64)
    ids[places] = MASK
    lengths = np.array([len(ids)])
    return PackedBatch(
        ids=ids,
        type_ids=np.zeros(len(ids), dtype=np.uint8),
        positions=positions_of(lengths),
        bounds=bounds_of(lengths),
        max_length=len(ids),
        targets={"masked_positions": places, "masked_labels": labels},
    )


def test_accuracy_is_over_all_batches() -> None:
    # After 10 always came 11, and after 20 came 21: once out of four times the text says otherwise.
    pairs = {(10, 11): 200.0, (11, 20): 200.0, (20, 21): 200.0}
    counts = np.zeros(VOCAB, dtype=np.float32)
    counts[[10, 11, 20, 21]] = 200
    keys = np.array([left * VOCAB + right for left, right in pairs], dtype=np.int64)
    model = BigramModel(VOCAB, counts, keys, np.array([*pairs.values()], dtype=np.float32))
    batches = [batch([10, 11, 20, 21], [2, 4]), batch([10, 11, 20, 33], [2, 4])]
    assert masked_accuracy(model, batches, mask_id=MASK) == 0.75
    assert masked_accuracy(model, [], mask_id=MASK) == 0.0


def test_the_whole_way(sequences: ShardSequences, model: BigramModel) -> None:
    batches = [batch([10, 11, 20, 21], [2, 4])]
    found = bigram_accuracy(sequences, batches, vocab_size=VOCAB, mask_id=MASK)
    assert found == masked_accuracy(model, batches, mask_id=MASK)
