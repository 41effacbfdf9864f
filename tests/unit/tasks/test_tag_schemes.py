"""Tags of spans and spans of tags, and what other models call the same."""

import numpy as np
import pytest

from erya.errors import CheckpointError
from erya.tasks.tag.schemes import TagSet

SPANS = [(0, 0, "PER"), (1, 3, "PER"), (5, 6, "LOC"), (7, 7, "LOC")]
TAGS = {
    "io": "I-PER I-PER I-PER I-PER O I-LOC I-LOC I-LOC O",
    "bio": "B-PER B-PER I-PER I-PER O B-LOC I-LOC B-LOC O",
    "bioes": "S-PER B-PER I-PER E-PER O B-LOC E-LOC S-LOC O",
}


def spans_of(tags: TagSet, names: str, *bounds: int) -> list[tuple[int, int, str]]:
    values = np.array([tags.labels.index(name) for name in names.split()])
    firsts, lasts, kinds = tags.spans(values, np.array(bounds or (0, len(values))))
    return list(zip(firsts.tolist(), lasts.tolist(), kinds, strict=True))


@pytest.mark.parametrize("scheme", TAGS)
def test_there_and_back(scheme):
    tags = TagSet.of_types(scheme, ["LOC", "PER"])
    assert [tags.labels[tag] for tag in tags.tag(SPANS, 9)] == TAGS[scheme].split()
    merged = [(0, 3, "PER"), (5, 7, "LOC")] if scheme == "io" else SPANS
    assert spans_of(tags, TAGS[scheme]) == merged
    assert tags.names == ("LOC", "PER")


def test_a_span_ends_where_its_sequence_does():
    tags = TagSet.of_types("io", ["X"])
    assert spans_of(tags, "I-X I-X I-X I-X", 0, 2, 2, 4) == [(0, 1, "X"), (2, 3, "X")]


@pytest.mark.parametrize(
    ("names", "spans"),
    [
        ("I-X I-X O", [(0, 1, "X")]),
        ("B-X I-Y I-Y", [(0, 0, "X"), (1, 2, "Y")]),
        ("B-X B-X I-X", [(0, 0, "X"), (1, 2, "X")]),
        ("E-X I-X S-X I-X", [(0, 0, "X"), (1, 1, "X"), (2, 2, "X"), (3, 3, "X")]),
        ("O O", []),
    ],
)
def test_tags_that_break_the_rules_are_read_as_conll_has_it(names, spans):
    assert spans_of(TagSet.of_types("bioes", ["X", "Y"]), names) == spans


@pytest.mark.parametrize(
    ("labels", "text", "spans"),
    [
        ("O B-n M-n E-n S-n", "B-n M-n E-n S-n", [(0, 2, "n"), (3, 3, "n")]),
        ("B-n I-n L-n U-n O", "B-n L-n U-n O", [(0, 1, "n"), (2, 2, "n")]),
        ("O S-n B-n I-n", "B-n I-n S-n I-n", [(0, 1, "n"), (2, 2, "n"), (3, 3, "n")]),
        ("O PER LOC", "PER PER LOC O", [(0, 1, "PER"), (2, 2, "LOC")]),
        ("I_n O B_n", "B_n I_n O", [(0, 1, "n")]),
        ("B I", "B I I B B", [(0, 2, "word"), (3, 3, "word"), (4, 4, "word")]),
        ("B M E S", "B M E S B E", [(0, 2, "word"), (3, 3, "word"), (4, 5, "word")]),
        ("O S M", "S S O M", [(0, 1, "S"), (3, 3, "M")]),
    ],
)
def test_labels_of_other_models(labels, text, spans):
    tags = TagSet.of_labels(labels.split())
    assert spans_of(tags, text) == spans
    back = tags.tag(spans, len(text.split()))
    if "S-n I-n" not in text:
        assert [tags.labels[tag] for tag in back] == text.split()


def test_two_labels_that_mean_the_same_are_refused():
    with pytest.raises(CheckpointError, match="I-n"):
        TagSet.of_labels(["O", "B-n", "M-n", "I-n"])


@pytest.mark.parametrize("scheme", ["bio", "bioes"])
def test_just_what_spans_can_be_is_allowed(scheme):
    """Of all pairs of tags those are allowed that stand side by side in tags of some spans."""
    tags = TagSet.of_types(scheme, ["X", "Y"])
    rng = np.random.default_rng(0)
    seen = np.zeros((len(tags.labels), len(tags.labels)), dtype=bool)
    for _ in range(400):
        spans, place = [], 0
        while place < 12:
            place += int(rng.integers(0, 3))
            last = place + int(rng.integers(0, 4))
            spans.append((place, last, str(rng.choice(["X", "Y"]))))
            place = last + 1
        row = tags.tag(spans, max(place, 1))
        seen[row[:-1], row[1:]] = True
    allowed = tags.allowed()
    assert (np.isfinite(allowed.pairs) == seen).all()
    assert [tags.labels[i] for i in np.flatnonzero(~np.isfinite(tags.allowed(outside=False).start))] == [
        label for label in tags.labels if label[0] in "OIE"
    ]
