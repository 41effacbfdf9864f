"""Words found by walking a tree in arrays, against a plain search."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from erya.tokenizer.hash_table import HashTable
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


@pytest.mark.parametrize(("alphabet", "longest"), [(2, 5), (3, 3), (40, 4), (3000, 2)])
def test_it_finds_what_a_plain_search_finds(alphabet: int, longest: int) -> None:
    random = Random(alphabet)
    drawn = [random.choices(range(alphabet), k=random.randint(1, longest)) for _ in range(alphabet * 2)]
    words = [list(word) for word in dict.fromkeys(map(tuple, drawn))]
    trie = Trie(words)
    for length in (0, 1, 2, 50, 2000):
        units = random.choices(range(-1, alphabet), k=length)
        found = zip(*(column.tolist() for column in trie.find(np.array(units, dtype=np.int32))), strict=True)
        assert list(found) == plain_search(words, units)


def test_one_long_chain_of_overlaps() -> None:
    starts, ends, _ = Trie([[5, 5], [5, 5, 5]]).find(np.full(20_000, 5, dtype=np.int32))
    assert starts.tolist() == list(range(0, 20_000, 3))
    assert set((ends - starts).tolist()) == {3, 2}


def test_no_words() -> None:
    assert len(Trie([]).find(np.arange(5, dtype=np.int32))[0]) == 0


def test_the_table_tells_what_it_has_from_what_it_has_not() -> None:
    values = {key * key << 21: key for key in range(1, 5000)}
    table = HashTable(values)
    keys = np.array([*values, *(key + 1 for key in values), -1], dtype=np.int64)
    found, got = table.get(keys)
    assert found.tolist() == list(range(len(values)))
    assert got.tolist() == list(values.values())
