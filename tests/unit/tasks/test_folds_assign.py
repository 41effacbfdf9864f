"""Dealing examples into parts."""

from collections import Counter

import numpy as np
import pytest

from erya.errors import InputError
from erya.tasks.classify.example import Example
from erya.tasks.folds.assign import Traits, deal, take_fold
from erya.tasks.folds.recipe import FoldRecipe


def example(text: str, label: str, line: int, pair: str | None = None) -> Example:
    return Example(text, pair, label, f"f, line {line}", line)


def test_every_part_gets_its_share_of_each_label() -> None:
    labels = ["多"] * 40 + ["少"] * 10 + ["稀"] * 5
    parts = deal([Traits(number, label) for number, label in enumerate(labels)], 5, seed=3, where="f")
    for label, expected in (("多", 8), ("少", 2), ("稀", 1)):
        found = Counter(int(part) for part, own in zip(parts, labels, strict=True) if own == label)
        assert found == dict.fromkeys(range(5), expected)


def test_parts_are_even_where_no_label_is() -> None:
    parts = deal([Traits(number, number) for number in range(22)], 4, seed=0, where="f")
    assert sorted(Counter(parts.tolist()).values()) == [5, 5, 6, 6]


def test_equal_texts_stay_together() -> None:
    traits = [Traits(number % 7, number % 2) for number in range(60)]
    parts = deal(traits, 3, seed=1, where="f")
    for group in range(7):
        assert len(set(parts[group::7].tolist())) == 1


def test_the_dealing_is_a_function_of_the_seed() -> None:
    traits = [Traits(number, number % 3) for number in range(50)]
    first, again = (deal(traits, 5, seed=4, where="f") for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, deal(traits, 5, seed=5, where="f"))


def test_each_example_is_held_out_once_and_then_not_learnt_from() -> None:
    examples = [example(f"文{number % 25}", "ab"[number % 2], number) for number in range(30)]
    seen = []
    for index in range(3):
        learnt, held = take_fold("classify", examples, FoldRecipe(index=index, of=3, seed=7), where="f")
        assert {each.text for each in learnt}.isdisjoint(each.text for each in held)
        assert len(learnt) + len(held) == 30
        assert [each.line for each in held] == sorted(each.line for each in held)
        seen += [each.line for each in held]
    assert sorted(seen) == list(range(30))


def test_a_pair_is_the_same_text_only_with_both_halves() -> None:
    examples = [example("问", "ab"[number % 2], number, pair=f"答{number}") for number in range(6)]
    _, held = take_fold("classify", examples, FoldRecipe(index=0, of=3), where="f")
    assert len(held) == 2


def test_too_few_texts_are_refused() -> None:
    with pytest.raises(InputError, match="2 different texts cannot be dealt into 3 parts"):
        take_fold(
            "classify",
            [example("一", "a", 1), example("一", "a", 2), example("二", "b", 3)],
            FoldRecipe(index=0, of=3),
            where="f",
        )


def test_a_part_that_is_none_of_them_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no part 5"):
        FoldRecipe(index=5, of=5)
