import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from erya.data.plan import Plan, Sequences, Share, concatenate, cut_sequences, fill
from erya.errors import ConfigError


def cut(sentences: list[int], documents: list[int], **limits: int) -> Sequences:
    return cut_sequences(np.array(sentences, np.int64), np.array(documents, np.int64), **limits)


def test_sequences_take_whole_sentences_of_one_document() -> None:
    found = cut([3, 7, 12], [12, 20], max_tokens=8, min_tokens=1)
    assert found.starts.tolist() == [0, 7, 12]
    assert found.lengths.tolist() == [7, 5, 8]
    assert found.split_sentences == 0


def test_a_sentence_longer_than_a_sequence_is_cut_inside_and_counted() -> None:
    found = cut([25, 28], [35], max_tokens=10, min_tokens=1)
    assert found.starts.tolist() == [0, 10, 20, 28]
    assert found.split_sentences == 2


def test_fragments_are_dropped_and_counted() -> None:
    found = cut([8, 10], [10, 12], max_tokens=8, min_tokens=3)
    assert found.lengths.tolist() == [8]
    assert (found.dropped_fragments, found.dropped_tokens) == (2, 4)


def test_no_documents_give_no_sequences() -> None:
    assert len(cut([], [], max_tokens=8)) == 0


@given(st.data())
def test_every_token_is_in_one_sequence_of_its_document_or_counted(data: st.DataObject) -> None:
    documents = sorted(data.draw(st.sets(st.integers(1, 300), min_size=1, max_size=12)))
    sentences = sorted(data.draw(st.sets(st.integers(1, documents[-1]), max_size=60)))
    max_tokens, min_tokens = data.draw(st.integers(3, 40)), data.draw(st.integers(1, 5))
    found = cut(sentences, documents, max_tokens=max_tokens, min_tokens=min_tokens)
    stops = found.starts + found.lengths
    assert (found.starts[1:] >= stops[:-1]).all()
    assert found.num_tokens + found.dropped_tokens == documents[-1]
    assert ((found.lengths >= min_tokens) & (found.lengths <= max_tokens)).all()
    owner = np.searchsorted(documents, found.starts, side="right")
    assert (stops <= np.array(documents)[owner]).all()
    at_end = np.isin(stops, [*sentences, *documents])
    assert (~at_end).sum() <= found.split_sentences


def test_runs_of_tokens_are_laid_end_to_end() -> None:
    one = cut([], [5, 7], max_tokens=8, min_tokens=3)
    both = concatenate([one, one], [0, 7])
    assert both.starts.tolist() == [0, 7]
    assert both.dropped_tokens == 4


def test_batches_are_filled_to_the_budget() -> None:
    bounds = fill(np.array([4, 4, 3, 9, 1, 1, 8]), 10)
    assert bounds.tolist() == [0, 2, 3, 5, 7]


def test_a_sequence_larger_than_the_budget_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"micro_batch_tokens is 10.*11 tokens"):
        fill(np.array([4, 11]), 10, name="micro_batch_tokens")


def test_no_data_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no sequence"):
        Plan(np.zeros(0, np.int32), batch_tokens=10, seed=0)


LENGTHS = np.random.default_rng(0).integers(4, 60, size=500).astype(np.int32)


def epoch_of(plan: Plan, epoch: int) -> list[list[int]]:
    return [plan.batch(epoch, index).tolist() for index in range(plan.num_batches(epoch))]


def test_an_epoch_shows_every_sequence_once_within_the_budget() -> None:
    plan = Plan(LENGTHS, batch_tokens=256, seed=1)
    batches = epoch_of(plan, 0)
    assert sorted(number for batch in batches for number in batch) == list(range(500))
    assert max(LENGTHS[batch].sum() for batch in batches) <= 256


def test_the_plan_is_a_function_of_seed_and_epoch() -> None:
    first, again = (Plan(LENGTHS, batch_tokens=256, seed=1) for _ in range(2))
    again.batch(5, 0)
    assert epoch_of(first, 2) == epoch_of(again, 2)
    assert epoch_of(first, 2) != epoch_of(first, 3)
    assert epoch_of(first, 2) != epoch_of(Plan(LENGTHS, batch_tokens=256, seed=2), 2)


@pytest.mark.parametrize("budget", [60, 100, 256, None])
def test_micro_batches_split_the_same_global_batch(budget: int | None) -> None:
    plan = Plan(LENGTHS, batch_tokens=256, seed=1)
    for index in range(plan.num_batches(0)):
        parts = [piece.sequences for piece in plan.pieces(0, index, Share(micro_batch_tokens=budget))]
        assert np.concatenate(parts).tolist() == plan.batch(0, index).tolist()
        assert max(LENGTHS[part].sum() for part in parts) <= (budget or 256)
