"""Alignments compose, keep the order and map spans."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from erya.text.alignment import Alignment


@st.composite
def edits(draw, size=None):
    """An original length and edits that do not overlap."""
    size = draw(st.integers(0, 30)) if size is None else size
    places = sorted(draw(st.lists(st.integers(0, size), max_size=8)))
    pairs = zip(places[::2], places[1::2], strict=False)
    return size, [(start, end, draw(st.integers(0, 4))) for start, end in pairs if start < end]


@given(edits())
def test_edits_map_their_stretch_and_leave_the_rest(case):
    length, changes = case
    alignment = Alignment.from_edits(changes, length)
    expected, done = [], 0
    for start, end, size in changes:
        expected += [(place, place + 1) for place in range(done, start)] + [(start, end)] * size
        done = end
    expected += [(place, place + 1) for place in range(done, length)]
    assert list(zip(alignment.starts.tolist(), alignment.ends.tolist(), strict=True)) == expected


@given(st.data())
def test_composition_is_mapping_twice(data):
    length, first = data.draw(edits())
    earlier = Alignment.from_edits(first, length)
    _, second = data.draw(edits(len(earlier)))
    later = Alignment.from_edits(second, len(earlier))
    both = later.after(earlier)
    for place in range(len(later)):
        assert both.original_span(place, place + 1) == earlier.original_span(
            *later.original_span(place, place + 1)
        )


def test_identity_is_neutral():
    alignment = Alignment.from_edits([(1, 3, 1)], 5)
    assert alignment.after(Alignment.identity(5)) == alignment
    assert Alignment.identity(4).after(alignment) == alignment
    assert hash(alignment) == hash(Alignment.from_edits([(1, 3, 1)], 5))


def test_spans_at_once_equal_spans_one_by_one():
    alignment = Alignment.from_edits([(1, 3, 1), (4, 5, 3)], 6)
    spans = np.array([(0, 1), (1, 2), (2, 5), (0, len(alignment))], dtype=np.int32)
    assert alignment.original_spans(spans).tolist() == [
        list(alignment.original_span(*span)) for span in spans
    ]


def test_an_empty_span_stays_empty():
    alignment = Alignment.from_edits([(0, 2, 1)], 3)
    assert alignment.original_span(1, 1) == (2, 2)
    assert alignment.original_span(2, 2) == (3, 3)


def test_misuse_is_refused():
    with pytest.raises(ValueError, match="not inside"):
        Alignment.identity(3).original_span(2, 4)
    with pytest.raises(ValueError, match="compose"):
        Alignment.identity(3).after(Alignment.identity(2))
