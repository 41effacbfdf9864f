"""Exact duplicates."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from erya.corpus.deduplicate import SeenFingerprints, fingerprint


@given(st.lists(st.lists(st.integers(0, 30) | st.sampled_from([2**64 - 1, 2**63]), max_size=20), max_size=12))
def test_the_first_of_each_is_new_in_whatever_batches(batches):
    seen, known = SeenFingerprints(), set()
    for batch in batches:
        expected = []
        for number in batch:
            expected.append(number not in known)
            known.add(number)
        assert seen.add(np.array(batch, dtype=np.uint64)).tolist() == expected
    assert len(seen) == len(known)


def test_memory_stays_at_eight_bytes_a_document():
    seen = SeenFingerprints()
    numbers = np.random.default_rng(0).integers(0, 2**63, 200_000, dtype=np.uint64)
    for part in np.array_split(numbers, 200):
        seen.add(part)
    assert sum(run.nbytes for run in seen._runs) == 8 * len(np.unique(numbers))
    assert len(seen._runs) < 20


def test_white_space_does_not_tell_texts_apart():
    assert fingerprint("一 二\n三") == fingerprint("一二 三")
    assert fingerprint("一二三") != fingerprint("一二四")
