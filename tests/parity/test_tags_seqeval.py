"""Spans of tags are those of seqeval, whose rules are conlleval's, however broken the tags."""

import random

import pytest

from erya.data.annotations.tags import spans_of

labeling = pytest.importorskip("seqeval.metrics.sequence_labeling")


@pytest.mark.parametrize(("scheme", "marks"), [("bio", "BI"), ("bioes", "BIES")])
def test_random_tags(scheme, marks):
    draw = random.Random(5)
    pool = ["O", *(f"{mark}-{kind}" for mark in marks for kind in ("LOC", "PER"))]
    for _ in range(2000):
        tags = draw.choices(pool, k=draw.randint(0, 8))
        theirs = [(kind, first, last + 1) for kind, first, last in labeling.get_entities(tags)]
        assert [(span.type, span.start, span.end) for span in spans_of(tags, scheme)[0]] == theirs
