from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from erya.data.batches import bounds_of
from erya.pretrain.masking import Masked, Masker

VOCAB, SPECIAL, CLS, SEP, MASK = 1000, (0, 1, 2, 3, 4), 2, 3, 4


def masker(*, prob: float = 0.15, whole_word: bool = True, seed: int = 1) -> Masker:
    return Masker(
        prob=prob, whole_word=whole_word, vocab_size=VOCAB, special_ids=SPECIAL, mask_id=MASK, seed=seed
    )


def text(lengths: list[int], seed: int = 0) -> tuple[NDArray[np.int32], NDArray[np.bool_], NDArray[np.int32]]:
    """Packed random sequences with words of 1 to 4 tokens: ids, word starts, lengths."""
    rng = np.random.default_rng(seed)
    ids, starts = [], []
    for length in lengths:
        body = rng.integers(5, VOCAB, length - 2)
        words = np.repeat(np.arange(length), rng.integers(1, 5, length))[: length - 2]
        ids += [CLS, *body, SEP]
        starts += [False, *(np.diff(words, prepend=-1) > 0), False]
    return np.array(ids, np.int32), np.array(starts), np.array(lengths, np.int32)


LONG = text([128] * 2000)


def mask(batch: tuple[NDArray[np.int32], NDArray[np.bool_], NDArray[np.int32]], **options: object) -> Masked:
    epoch = options.pop("epoch", 0)
    numbers = options.pop("numbers", np.arange(len(batch[2])))
    return masker(**options).mask(*batch, epoch=epoch, numbers=numbers)  # type: ignore[arg-type]


@pytest.mark.parametrize("prob", [0.15, 0.3])
@pytest.mark.parametrize("whole_word", [True, False])
def test_the_expected_share_is_chosen(prob: float, whole_word: bool) -> None:
    found = mask(LONG, prob=prob, whole_word=whole_word)
    ordinary = len(LONG[0]) - 2 * len(LONG[2])
    assert len(found.positions) / ordinary == pytest.approx(prob, abs=0.002)
    # Every sequence comes near it, not only their mean.
    per_sequence = np.add.reduceat(np.isin(np.arange(len(LONG[0])), found.positions), bounds_of(LONG[2])[:-1])
    assert abs(per_sequence - prob * 126).max() <= 8


def test_chosen_tokens_become_mask_random_or_stay() -> None:
    found = mask(LONG)
    seen = found.ids[found.positions]
    count = len(seen)
    assert (seen == MASK).mean() == pytest.approx(0.8, abs=4 * 0.4 / count**0.5)
    assert (seen == found.labels).mean() == pytest.approx(0.1, abs=4 * 0.3 / count**0.5)
    random = seen[(seen != MASK) & (seen != found.labels)]
    assert len(random) / count == pytest.approx(0.1, abs=4 * 0.3 / count**0.5)
    assert random.min() >= 5
    counts = np.bincount(random, minlength=VOCAB)[5:]
    chi_square = ((counts - counts.mean()) ** 2 / counts.mean()).sum()
    assert chi_square == pytest.approx(994, abs=5 * (2 * 994) ** 0.5), "random ids are uniform"


def test_labels_are_the_text_and_the_rest_is_untouched() -> None:
    found = mask(LONG)
    assert (found.labels == LONG[0][found.positions]).all()
    rest = np.setdiff1d(np.arange(len(LONG[0])), found.positions)
    assert (found.ids[rest] == LONG[0][rest]).all()


@pytest.mark.parametrize("whole_word", [True, False])
def test_special_tokens_are_never_chosen(whole_word: bool) -> None:
    ids, starts, lengths = text([20] * 300)
    ids = np.where(np.random.default_rng(1).random(len(ids)) < 0.3, 1, ids).astype(np.int32)
    found = mask((ids, starts, lengths), whole_word=whole_word, prob=0.5)
    assert not np.isin(found.labels, SPECIAL).any()


def test_words_are_chosen_whole() -> None:
    found = mask(LONG)
    chosen = np.isin(np.arange(len(LONG[0])), found.positions)
    word = np.cumsum(LONG[1])
    body = ~np.isin(LONG[0], SPECIAL)
    assert all(len(set(chosen[body & (word == number)])) == 1 for number in range(1, 2000))


def test_every_place_and_every_length_of_word_is_equally_likely() -> None:
    ids, starts, lengths = LONG
    chosen = np.isin(np.arange(len(ids)), mask(LONG).positions).reshape(-1, 128)[:, 1:-1]
    assert abs(chosen.mean(axis=0) - 0.15).max() < 5 * (0.15 * 0.85 / len(lengths)) ** 0.5
    word = np.cumsum(starts)
    body = ~np.isin(ids, SPECIAL)
    sizes = np.bincount(word[body])[word[body]]
    shares = [chosen.reshape(-1)[sizes == size].mean() for size in (1, 2, 3, 4)]
    assert shares == pytest.approx([0.15] * 4, abs=0.008)


def test_every_sequence_has_a_target() -> None:
    found = mask(text([3, 4, 5, 3, 6]), prob=0.01)
    owners = np.searchsorted(bounds_of(np.array([3, 4, 5, 3, 6])), found.positions, side="right")
    assert set(owners) == {1, 2, 3, 4, 5}


def test_sequences_of_special_tokens_alone_have_none() -> None:
    ids, starts = np.array([CLS, 1, SEP, CLS, 9, SEP], np.int32), np.zeros(6, bool)
    assert mask((ids, starts, np.array([3, 3], np.int32))).positions.tolist() == [4]
    assert mask((ids[:3], starts[:3], np.array([3], np.int32))).positions.tolist() == []


def test_masks_change_with_seed_epoch_and_sequence_and_with_nothing_else() -> None:
    base = mask(LONG)
    assert (mask(LONG).ids == base.ids).all()
    for other in (mask(LONG, seed=2), mask(LONG, epoch=1), mask(LONG, numbers=np.arange(2000) + 1)):
        overlap = np.isin(other.positions, base.positions).mean()
        assert overlap == pytest.approx(0.15, abs=0.02), "unrelated"


@given(st.lists(st.integers(3, 40), min_size=2, max_size=8), st.data())
def test_masks_do_not_depend_on_the_batch(lengths: list[int], data: st.DataObject) -> None:
    ids, starts, sizes = batch = text(lengths)
    numbers = np.array(
        data.draw(st.lists(st.integers(0, 2**40), min_size=len(lengths), max_size=len(lengths)))
    )
    together = mask(batch, numbers=numbers)
    bounds = bounds_of(sizes)
    alone = []
    for row, (start, stop) in enumerate(pairwise(bounds)):
        part = ids[start:stop], starts[start:stop], sizes[row : row + 1]
        alone.append(mask(part, numbers=numbers[row : row + 1]).ids)
    assert (np.concatenate(alone) == together.ids).all()


def test_neighbouring_choices_are_independent() -> None:
    """The counters of neighbouring tokens and sequences differ by little; their draws must not."""
    chosen = np.isin(np.arange(len(LONG[0])), mask(LONG, whole_word=False).positions).reshape(-1, 128)
    for shift, axis in ((1, 1), (2, 1), (1, 0)):
        together = (chosen & np.roll(chosen, shift, axis=axis))[1:, 3:-1].mean()
        assert together == pytest.approx(0.15**2, abs=0.0025)


def test_words_are_chosen_as_often_as_chance_would() -> None:
    """Over epochs, how often one word is chosen follows the binomial distribution."""
    batch = text([60])
    times: Counter[int] = Counter()
    for epoch in range(2000):
        times.update(mask(batch, epoch=epoch, whole_word=False).positions.tolist())
    counts = np.array([times[place] for place in range(1, 59)])
    assert abs(counts - 300).max() < 5 * (2000 * 0.15 * 0.85) ** 0.5
