"""The order of fine-tuning: every example once an epoch, within the bounds, the same for the same seed."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from erya.data.features import Features
from erya.data.plan import WHOLE, Share
from erya.tasks.batches import ExampleBatches, split


def features(lengths):
    """Each example's tokens are its own number."""
    return [
        Features(np.full(n, i, np.int32), np.zeros(n, np.uint8), {"labels": np.array(i)})
        for i, n in enumerate(lengths)
    ]


def numbers(source, epoch, share=WHOLE):
    return [
        [int(label) for micro in source.batch(epoch, index, share) for label in micro.targets["labels"]]
        for index in range(source.num_batches(epoch))
    ]


lengths = st.lists(st.integers(1, 30), min_size=1, max_size=40)


@given(lengths, st.integers(1, 8), st.integers(1, 60))
def test_runs_cover_everything_within_bounds(lengths, size, tokens):
    runs = split(lengths, size=size, tokens=tokens)
    assert [place for run in runs for place in run] == list(range(len(lengths)))
    for run in runs:
        assert 1 <= len(run) <= size
        assert len(run) == 1 or sum(lengths[place] for place in run) <= tokens


def test_nothing_splits_into_nothing():
    assert split([], size=3, tokens=3) == []


@given(lengths, st.integers(0, 5))
def test_every_example_once_an_epoch(lengths, seed):
    source = ExampleBatches(features(lengths), batch_size=4, batch_tokens=50, seed=seed)
    for epoch in (0, 1):
        batches = numbers(source, epoch)
        assert sorted(number for batch in batches for number in batch) == list(range(len(lengths)))


def test_micro_batches_keep_the_global_batch():
    source, share = (
        ExampleBatches(features([9] * 20), batch_size=8, batch_tokens=100, seed=3),
        Share(micro_batch_tokens=20),
    )
    assert numbers(source, 1) == numbers(source, 1, share)
    parts = source.batch(1, 0, share)
    assert all(micro.num_tokens <= 20 for micro in parts) and len(parts) == 4


def test_a_rank_without_an_example_idles():
    source = ExampleBatches(features([9, 4, 6]), batch_size=3, batch_tokens=100)
    ranks = [source.batch(0, 0, Share(rank=rank, num_ranks=4)) for rank in range(4)]
    assert [[micro.is_idle for micro in rank] for rank in ranks] == [[False], [False], [False], [True]]
    assert ranks[3][0].targets["labels"].tolist() == [1]


def test_order_depends_on_seed_and_epoch_alone():
    def order(seed, epoch):
        return numbers(ExampleBatches(features([3] * 30), batch_size=4, batch_tokens=99, seed=seed), epoch)

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1) != order(2, 1)
