from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from erya.data.batches import bounds_of
from erya.pretrain.masking.masker import Masked, Masker
from erya.pretrain.masking.rate import Rate
from erya.pretrain.masking.recipe import RateRecipe
from erya.pretrain.masking.replacement import Shares
from erya.pretrain.masking.units import TOKENS, WORDS, Units, ngrams, spans

VOCAB, SPECIAL, CLS, SEP, MASK = 1000, (0, 1, 2, 3, 4), 2, 3, 4


def masker(*, prob: float | Rate = 0.15, seed: int = 1, **options: Any) -> Masker:
    return Masker(prob=prob, vocab_size=VOCAB, special_ids=SPECIAL, mask_id=MASK, seed=seed, **options)


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


def mask(batch: tuple[NDArray[np.int32], NDArray[np.bool_], NDArray[np.int32]], **options: Any) -> Masked:
    epoch = options.pop("epoch", 0)
    numbers = options.pop("numbers", np.arange(len(batch[2])))
    said = {name: options.pop(name) for name in ("tokens_before", "predictable") if name in options}
    return masker(**options).mask(*batch, epoch=epoch, numbers=numbers, **said)


@pytest.mark.parametrize("prob", [0.15, 0.3])
@pytest.mark.parametrize("units", [WORDS, TOKENS, ngrams(), spans()])
def test_the_expected_share_is_chosen(prob: float, units: Units) -> None:
    found = mask(LONG, prob=prob, units=units)
    ordinary = len(LONG[0]) - 2 * len(LONG[2])
    # A long span may pass over the arc and leave a sequence without any, which then gets one.
    assert len(found.positions) / ordinary == pytest.approx(prob, abs=0.004 if units.together else 0.002)
    # Every sequence comes near it, not only their mean.
    per_sequence = np.add.reduceat(np.isin(np.arange(len(LONG[0])), found.positions), bounds_of(LONG[2])[:-1])
    longest_unit = 4 * len(units.weights) if units.of_words else 1
    assert abs(per_sequence - prob * 126).max() <= 2 * longest_unit
    assert per_sequence.min() > 0


def runs(ids: NDArray[np.int32], found: Masked, starts: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Lengths in words of the runs of chosen tokens."""
    chosen = np.isin(np.arange(len(ids)), found.positions)
    begins = np.flatnonzero(chosen & ~np.roll(chosen, 1))
    words = np.cumsum(starts)
    ends = np.flatnonzero(chosen & ~np.roll(chosen, -1))
    return words[ends] - words[begins] + 1


@pytest.mark.parametrize("units", [ngrams(), ngrams([0, 0, 1]), spans(), spans(mean=2.2, longest=4)])
def test_the_lengths_of_units_follow_their_law(units: Units) -> None:
    # So few are chosen that hardly two touch, yet none is shortened.
    batch = text([602] * 400)
    found = runs(batch[0], mask(batch, units=units, prob=0.05), batch[1])
    counts = np.bincount(found, minlength=30)[1:]
    law = np.array(units.weights)
    # The circle chooses units of every length alike; two that touch look like one longer unit.
    assert counts[: len(law)] / counts.sum() == pytest.approx(law, abs=0.05)
    assert (counts[: len(law)] @ np.arange(1, len(law) + 1)) / counts[: len(law)].sum() == pytest.approx(
        law @ np.arange(1, len(law) + 1), rel=0.09
    )


def test_the_law_of_spans_is_spanberts() -> None:
    law = spans(mean=3.7967, longest=10).weights
    assert law[1] / law[0] == pytest.approx(0.8, abs=1e-3), "geometric with 0.2"
    assert sum(law) == pytest.approx(1)
    assert spans(mean=1, longest=5).weights[0] == pytest.approx(1)
    for mean in (0.5, 5.5, 7):
        with pytest.raises(ValueError, match="in the mean"):
            spans(mean=mean, longest=10)


def test_a_unit_ends_at_a_special_token() -> None:
    """Two texts in a sequence: no unit reaches over [SEP]."""
    body = [*range(5, 25)]
    ids = np.array([CLS, *body, SEP, *body, SEP] * 200, np.int32)
    starts, lengths = ~np.isin(ids, SPECIAL), np.full(200, 43, np.int32)
    units = Units(weights=(0.0, 0.0, 0.0, 1.0))
    chosen = np.isin(np.arange(len(ids)), mask((ids, starts, lengths), units=units, prob=0.3).positions)
    halves = chosen.reshape(200, 43)[:, [*range(1, 21), *range(22, 42)]].reshape(200, 2, 5, 4)
    assert (halves.all(axis=3) == halves.any(axis=3)).all()


def test_a_short_sequence_is_not_hidden_as_a_whole() -> None:
    batch = text([14] * 300)
    found = mask(batch, units=spans(), prob=0.3)
    counts = np.bincount(np.searchsorted(bounds_of(batch[2]), found.positions, side="right") - 1)
    assert counts.max() < 12 and counts.min() >= 1


def test_tokens_of_a_span_are_replaced_in_the_same_way() -> None:
    found = mask(LONG, units=spans())
    seen = found.ids[found.positions]
    kind = np.where(seen == MASK, 0, np.where(seen == found.labels, 1, 2))
    joined = np.diff(found.positions) == 1
    same = (np.diff(kind) == 0)[joined].mean()
    alone = mask(LONG, units=Units(weights=spans().weights))
    seen = alone.ids[alone.positions]
    kind = np.where(seen == MASK, 0, np.where(seen == alone.labels, 1, 2))
    assert same > 0.95 > 0.7 > (np.diff(kind) == 0)[np.diff(alone.positions) == 1].mean()


@pytest.mark.parametrize(
    "shares", [Shares(mask=1, random=0), Shares(mask=0, random=0.5), Shares(mask=0, random=0.1, similar=0.8)]
)
def test_shares_of_replacement(shares: Shares) -> None:
    similar = np.full((VOCAB, 3), -1, np.int32)
    similar[5:500] = np.arange(5, 500)[:, None] + [500, 501, -1]
    similar[5:500, 2] = -1
    similar[499, 1] = -1
    found = mask(LONG, shares=shares, similar=similar)
    seen, count = found.ids[found.positions], len(found.positions)
    close = 4 * 0.5 / count**0.5 + 0.002
    has = (found.labels < 500).mean()
    is_similar = (seen == found.labels + 500) | (seen == found.labels + 501)
    assert (seen == MASK).mean() == pytest.approx(shares.mask, abs=close)
    assert (is_similar & (found.labels < 500)).mean() == pytest.approx(shares.similar * has, abs=close)
    kept = 1 - shares.mask - shares.random - shares.similar
    assert (seen == found.labels).mean() == pytest.approx(kept, abs=close)
    assert not np.isin(seen[seen != MASK], SPECIAL).any()
    # Both candidates are taken alike; what has none is replaced at random.
    if shares.similar:
        both = is_similar & (found.labels < 499)
        assert (seen[both] == found.labels[both] + 500).mean() == pytest.approx(0.5, abs=4 * 0.5 / 100)
        without = found.labels >= 500
        assert (seen[without] != found.labels[without]).mean() == pytest.approx(0.9, abs=0.02)


def test_a_rate_moves_with_the_tokens_seen() -> None:
    rate = Rate(0.4, 0.2, 1000)
    assert [rate.at(tokens) for tokens in (0, 250, 500, 1000, 5000)] == pytest.approx(
        [0.4, 0.35, 0.3, 0.2, 0.2]
    )
    assert Rate(0.3, 0.3, 0).at(0) == 0.3
    ordinary = len(LONG[0]) - 2 * len(LONG[2])
    for tokens, share in ((0, 0.4), (500, 0.3), (2000, 0.2)):
        chosen = len(mask(LONG, prob=rate, tokens_before=tokens).positions)
        assert chosen / ordinary == pytest.approx(share, abs=0.003)


def test_only_what_may_be_chosen_is() -> None:
    predictable = np.tile(np.arange(128) >= 64, 2000)
    found = mask(LONG, predictable=predictable, prob=0.2)
    assert predictable[found.positions].all()
    assert len(found.positions) / (2000 * 63) == pytest.approx(0.2, abs=0.005)


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


@pytest.mark.parametrize("units", [WORDS, TOKENS, ngrams(), spans()])
def test_special_tokens_are_never_chosen(units: Units) -> None:
    ids, starts, lengths = text([20] * 300)
    ids = np.where(np.random.default_rng(1).random(len(ids)) < 0.3, 1, ids).astype(np.int32)
    found = mask((ids, starts, lengths), units=units, prob=0.5)
    assert not np.isin(found.labels, SPECIAL).any()


@pytest.mark.parametrize("units", [WORDS, ngrams(), spans()])
def test_words_are_chosen_whole(units: Units) -> None:
    found = mask(LONG, units=units)
    chosen = np.isin(np.arange(len(LONG[0])), found.positions)
    word = np.cumsum(LONG[1])
    body = ~np.isin(LONG[0], SPECIAL)
    assert all(len(set(chosen[body & (word == number)])) == 1 for number in range(1, 2000))


@pytest.mark.parametrize("units", [WORDS, ngrams()])
def test_every_place_and_every_length_of_word_is_equally_likely(units: Units) -> None:
    ids, starts, lengths = LONG
    chosen = np.isin(np.arange(len(ids)), mask(LONG, units=units).positions).reshape(-1, 128)[:, 1:-1]
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


@pytest.mark.parametrize("units", [WORDS, TOKENS, ngrams(), spans(mean=2, longest=5)])
@given(st.lists(st.integers(3, 40), min_size=2, max_size=8), st.data())
def test_masks_do_not_depend_on_the_batch(units: Units, lengths: list[int], data: st.DataObject) -> None:
    ids, starts, sizes = batch = text(lengths)
    numbers = np.array(
        data.draw(st.lists(st.integers(0, 2**40), min_size=len(lengths), max_size=len(lengths)))
    )
    together = mask(batch, numbers=numbers, units=units)
    bounds = bounds_of(sizes)
    alone = []
    for row, (start, stop) in enumerate(pairwise(bounds)):
        part = ids[start:stop], starts[start:stop], sizes[row : row + 1]
        alone.append(mask(part, numbers=numbers[row : row + 1], units=units).ids)
    assert (np.concatenate(alone) == together.ids).all()


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 12)), min_size=1, max_size=60),
    st.sampled_from([WORDS, TOKENS, ngrams(), spans(mean=2, longest=5)]),
    st.floats(0.05, 1),
    st.integers(0, 2**40),
)
def test_any_text_keeps_its_words_whole_and_its_special_tokens(
    words: list[tuple[int, int]], units: Units, prob: float, number: int
) -> None:
    """Words of any length, special tokens before some of them, in one sequence."""
    ids, starts = [CLS], [False]
    for special, size in words:
        ids += [SEP] * (special == 0) + [*range(5, 5 + size)]
        starts += [False] * (special == 0) + [True] + [False] * (size - 1)
    ids.append(SEP)
    starts.append(False)
    batch = np.array(ids, np.int32), np.array(starts), np.array([len(ids)], np.int32)
    found = mask(batch, units=units, prob=prob, numbers=np.array([number]))
    chosen = np.zeros(len(ids), bool)
    chosen[found.positions] = True
    body = ~np.isin(batch[0], SPECIAL)
    assert not chosen[~body].any() and chosen.any()
    if units.of_words:
        word = np.cumsum(batch[1])[body]
        assert all(len(set(chosen[body][word == one])) == 1 for one in set(word.tolist()))
    if prob == 1:
        assert chosen[body].all()


def test_neighbouring_choices_are_independent() -> None:
    """The counters of neighbouring tokens and sequences differ by little; their draws must not."""
    chosen = np.isin(np.arange(len(LONG[0])), mask(LONG, units=TOKENS).positions).reshape(-1, 128)
    for shift, axis in ((1, 1), (2, 1), (1, 0)):
        together = (chosen & np.roll(chosen, shift, axis=axis))[1:, 3:-1].mean()
        assert together == pytest.approx(0.15**2, abs=0.0025)


def test_words_are_chosen_as_often_as_chance_would() -> None:
    """Over epochs, how often one word is chosen follows the binomial distribution."""
    batch = text([60])
    times: Counter[int] = Counter()
    for epoch in range(2000):
        times.update(mask(batch, epoch=epoch, units=TOKENS).positions.tolist())
    counts = np.array([times[place] for place in range(1, 59)])
    assert abs(counts - 300).max() < 5 * (2000 * 0.15 * 0.85) ** 0.5


def test_without_a_table_no_token_has_a_similar_one() -> None:
    found = mask(LONG, shares=Shares(mask=0, random=0, similar=0.9))
    seen = found.ids[found.positions]
    assert (seen != found.labels).mean() == pytest.approx(0.9, abs=0.01)
    assert len(np.unique(seen)) > 0.95 * (VOCAB - len(SPECIAL))


def test_a_share_may_be_written_as_yaml_reads_text() -> None:
    assert RateRecipe.model_validate("3e-1").rate.at(0) == 0.3
    with pytest.raises(ValueError, match="give a share"):
        RateRecipe.model_validate("much")
