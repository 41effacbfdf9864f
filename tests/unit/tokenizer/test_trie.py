"""Words found by walking a tree in arrays, against a plain search."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from erya.tokenizer.edges import Edges
from erya.tokenizer.pairs import Pairs
from erya.tokenizer.trie import Trie


def plain_search(words: list[list[int]], units: list[int]) -> list[tuple[int, int, int]]:
    found, place = [], 0
    while place < len(units):
        here = [word for word in words if units[place : place + len(word)] == word]
        if here:
            longest = max(here, key=len)
            found.append((place, place + len(longest), words.index(longest)))
        place += len(max(here, key=len)) if here else 1
    return found


def found_in(units: list[int], trie: Trie) -> list[tuple[int, int, int]]:
    letters = np.append(trie.letters(np.array(units, dtype=np.int32)), np.int32(0))
    return list(zip(*(column.tolist() for column in trie.find(letters)), strict=True))


@pytest.mark.parametrize(("alphabet", "longest"), [(2, 5), (3, 3), (40, 4), (3000, 2)])
def test_it_finds_what_a_plain_search_finds(alphabet: int, longest: int) -> None:
    random = Random(alphabet)
    drawn = [random.choices(range(alphabet), k=random.randint(1, longest)) for _ in range(alphabet * 2)]
    words = [list(word) for word in dict.fromkeys(map(tuple, drawn))]
    trie = Trie(words)
    for length in (0, 1, 2, 50, 2000):
        units = random.choices(range(alphabet + 2), k=length)
        assert found_in(units, trie) == plain_search(words, units)


@pytest.mark.parametrize("words", [[[1, 2, 3], [1, 2]], [[1], [1, 2, 3]], [[9]]])
def test_words_whose_beginnings_are_rare(words: list[list[int]]) -> None:
    random = Random(7)
    trie = Trie(words)
    units = [unit for _ in range(300) for unit in [*random.choices(range(20, 90), k=15), 1, 2, 3, 1, 2, 9]]
    found = found_in(units, trie)
    assert found == plain_search(words, units)
    assert len(found) >= 300


def test_nothing_reaches_over_a_letter_of_nought() -> None:
    trie = Trie([[5, 6], [5, 6, 7, 8]])
    letters = trie.letters(np.array([5, 6, 7, 8, 5, 6, 7, 8, 5, 6], dtype=np.int32))
    letters[[6, 8, 9]] = 0
    assert [column.tolist() for column in trie.find(letters)] == [[0, 4], [4, 6], [1, 0]]


def test_letters_are_those_of_what_characters_become() -> None:
    def units(codes: np.ndarray) -> np.ndarray:
        return np.where(codes == ord("?"), -3, np.where(codes == ord("A"), ord("a"), codes)).astype(np.int32)

    trie = Trie([[ord("a"), ord("b")]], units=units)
    letters = trie.letters(np.array(list(map(ord, "Abxa?")), dtype=np.int32)).tolist()
    assert letters[0] == letters[3] > letters[1] > letters[2] == 0
    assert letters[4] == -3


def test_one_long_chain_of_overlaps() -> None:
    found = found_in([5] * 20_000, Trie([[5, 5], [5, 5, 5]]))
    assert [start for start, _, _ in found] == list(range(0, 20_000, 3))
    assert {end - start for start, end, _ in found} == {3, 2}


def test_no_words() -> None:
    assert found_in([1, 2, 3], Trie([])) == []


def drawn_pairs() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """5,000 pairs with their nodes, and 3,000 others behind them."""
    random = Random(3)
    pairs = random.sample([(first, second) for first in range(200) for second in range(1, 200)], 8000)
    firsts, seconds = np.array(pairs, dtype=np.int32).T.copy()
    return firsts, seconds, np.array(random.sample(range(1, 6000), 5000), dtype=np.int32)


def test_edges_that_are_there_and_edges_that_are_not() -> None:
    parents, letters, nodes = drawn_pairs()
    going, reached = Edges(parents[:5000], letters[:5000], nodes).follow(parents, letters)
    assert going.tolist() == list(range(5000))
    assert reached.tolist() == nodes.tolist()


@pytest.mark.parametrize("num_letters", [200, 65_534, 65_535, 200_000])
def test_pairs_that_are_there_and_pairs_that_are_not(num_letters: int) -> None:
    firsts, seconds, nodes = drawn_pairs()
    # The highest letters too, which lie beside what stands for no pair.
    firsts[7], seconds[11], firsts[6007], seconds[6008] = (num_letters - 1,) * 4
    pairs = Pairs(firsts[:5000], seconds[:5000], nodes, num_letters=num_letters)
    places, reached = pairs.find(firsts, seconds)
    assert len(places) < 6000
    assert places[:5000].tolist() == list(range(5000))
    assert reached[:5000].tolist() == nodes.tolist()
    assert not reached[5000:].any()


def test_no_edges_and_no_pairs() -> None:
    none, some = np.zeros(0, dtype=np.int32), np.arange(5, dtype=np.int32)
    assert len(Edges(none, none, none).follow(some, some)[0]) == 0
    assert not Pairs(none, none, none, num_letters=5).find(some, some)[1].any()
