"""Tags to spans in every scheme, and what breaks the rules."""

import pytest

from erya.data.annotations.tags import TokenSpan, find_scheme, looks_like_tag, spans_of


def spans(tags, scheme):
    return [(span.start, span.end, span.type) for span in spans_of(tags.split(), scheme)[0]]


def breaks(tags, scheme):
    return [(broken.index, broken.what) for broken in spans_of(tags.split(), scheme)[1]]


@pytest.mark.parametrize(
    ("scheme", "tags", "wanted"),
    [
        ("bio", "B-LOC I-LOC O B-PER B-PER I-PER", [(0, 2, "LOC"), (3, 4, "PER"), (4, 6, "PER")]),
        ("bioes", "B-LOC E-LOC S-PER O B-A I-A E-A", [(0, 2, "LOC"), (2, 3, "PER"), (4, 7, "A")]),
        ("bioes", "B-LOC M-LOC E-LOC S-LOC", [(0, 3, "LOC"), (3, 4, "LOC")]),
        ("bioes", "B_LOC L_LOC U_PER", [(0, 2, "LOC"), (2, 3, "PER")]),
        ("bioes", "B E S B M E", [(0, 2, "word"), (2, 3, "word"), (3, 6, "word")]),
        ("io", "I-LOC I-LOC O I-PER I-LOC", [(0, 2, "LOC"), (3, 4, "PER"), (4, 5, "LOC")]),
        ("io", "LOC LOC O PER", [(0, 2, "LOC"), (3, 4, "PER")]),
        ("each", "n n v", [(0, 1, "n"), (1, 2, "n"), (2, 3, "v")]),
        ("bio", "O O", []),
        ("bio", "", []),
    ],
)
def test_schemes(scheme, tags, wanted):
    assert spans(tags, scheme) == wanted
    assert breaks(tags, scheme) == []


@pytest.mark.parametrize(
    ("scheme", "tags", "wanted", "broken"),
    [
        ("bio", "I-LOC I-LOC O", [(0, 2, "LOC")], [0]),
        ("bio", "B-LOC I-PER O", [(0, 1, "LOC"), (1, 2, "PER")], [1]),
        ("bioes", "B-LOC O", [(0, 1, "LOC")], [0]),
        ("bioes", "O E-LOC O", [(1, 2, "LOC")], [1]),
        ("bioes", "B-LOC I-LOC", [(0, 2, "LOC")], [1]),
        ("bioes", "B-LOC B-LOC E-LOC", [(0, 1, "LOC"), (1, 3, "LOC")], [0]),
        ("bioes", "B-LOC E-PER", [(0, 1, "LOC"), (1, 2, "PER")], [0, 1]),
        ("bioes", "S-LOC E-LOC", [(0, 1, "LOC"), (1, 2, "LOC")], [1]),
    ],
)
def test_broken_tags_are_read_the_nearest_way_and_named(scheme, tags, wanted, broken):
    assert spans(tags, scheme) == wanted
    assert [index for index, _ in breaks(tags, scheme)] == broken


def test_a_break_says_what_stands_beside_it():
    assert breaks("O I-LOC", "bio") == [(1, "I-LOC after O goes on with what was not begun")]
    assert breaks("B-LOC", "bioes") == [(0, "LOC is not ended before the end")]
    assert spans_of(["B-LOC"], "bio") == ([TokenSpan(0, 1, "LOC")], [])


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        ("B-LOC I-LOC O", "bio"),
        ("B-LOC M-LOC E-LOC O", "bioes"),
        ("B E M S", "bioes"),
        ("I-LOC O", "io"),
        ("LOC O PER", "io"),
        ("n v adj", "each"),
        ("O", "io"),
    ],
)
def test_the_scheme_is_found(tags, scheme):
    assert find_scheme(tags.split()) == scheme


def test_what_looks_like_a_tag():
    assert all(map(looks_like_tag, ["O", "B-LOC", "S", "E_PER", "M-a.b"]))
    assert not any(map(looks_like_tag, ["好", "BLOC", "0", "X-LOC", "", "B-"]))
