"""Examples with several sequences each: which belong together, and what batches make of them."""

import numpy as np

from erya.data.batches import pack
from erya.data.features import Features
from erya.tasks.task import Encoded
from erya.tasks.texts import EncodingReport


def sequence(length, *, entities):
    rows = np.arange(entities * 3).reshape(entities, 3)
    return Features(
        np.full(length, length, np.int32),
        np.zeros(length, np.uint8),
        {"num_entities": np.array(entities)},
        {"entities": rows},
    )


def test_the_sequences_of_chosen_examples_stay_together_and_in_order():
    lengths = [3, 4, 5, 6, 7]
    features = [sequence(length, entities=0) for length in lengths]
    encoded = Encoded(features, np.array([0, 0, 1, 2, 2]), ["a", "b", "c", "d", "e"], EncodingReport())
    assert encoded.lengths().tolist() == [7, 5, 13]
    part = encoded.take(np.array([2, 0]))
    assert [len(item.ids) for item in part.features] == [6, 7, 3, 4]
    assert part.owners.tolist() == [0, 0, 1, 1] and part.encodings == ["d", "e", "a", "b"]


def test_targets_in_rows_are_laid_end_to_end():
    batch = pack([sequence(3, entities=2), sequence(4, entities=0), sequence(5, entities=1)])
    assert batch.targets["num_entities"].tolist() == [2, 0, 1]
    assert batch.targets["entities"].tolist() == [[0, 1, 2], [3, 4, 5], [0, 1, 2]]
