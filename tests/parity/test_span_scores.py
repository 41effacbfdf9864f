"""Strict span scores against seqeval, for both of its strict schemes, on random and on hostile tags."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erya.metrics.spans import SpanCounts

seqeval = pytest.importorskip("seqeval.metrics", reason="seqeval (extra dev) is the reference")
schemes = pytest.importorskip("seqeval.scheme")
strict = pytest.importorskip("seqeval.metrics.v1")

TYPES = ("人名", "LOC", "机构")
PREFIXES = {"IOB2": "BI", "IOBES": "BIES"}


def spans_of(tags: list[str], scheme: str) -> set[tuple[int, int, str]]:
    """The spans of tags, read strictly: a tag out of order belongs to no span."""
    if scheme == "IOB2":
        return {
            (start, end, tag[2:])
            for start, tag in enumerate(tags)
            if tag.startswith("B-")
            for end in [start + 1 + run_of(tags[start + 1 :], "I-" + tag[2:])]
        }
    singles = {(i, i + 1, tag[2:]) for i, tag in enumerate(tags) if tag.startswith("S-")}
    begins = ((start, tag[2:]) for start, tag in enumerate(tags) if tag.startswith("B-"))
    ends = ((start, start + 1 + run_of(tags[start + 1 :], "I-" + kind), kind) for start, kind in begins)
    return singles | {(s, e + 1, kind) for s, e, kind in ends if e < len(tags) and tags[e] == "E-" + kind}


def run_of(tags: list[str], wanted: str) -> int:
    return next((i for i, tag in enumerate(tags) if tag != wanted), len(tags))


def tag_lists(scheme: str) -> st.SearchStrategy[list[tuple[list[str], list[str]]]]:
    """Pairs of tag sequences of equal length; any tag may follow any other, so many are ill-formed."""
    tag = st.sampled_from(["O", "O", *(f"{p}-{kind}" for p in PREFIXES[scheme] for kind in TYPES)])
    pair = st.lists(st.tuples(tag, st.booleans(), tag), min_size=1, max_size=12).map(
        lambda rows: ([gold for gold, _, _ in rows], [gold if keep else tag for gold, keep, tag in rows])
    )
    return st.lists(pair, min_size=1, max_size=6)


def check(pairs: list[tuple[list[str], list[str]]], scheme: str) -> None:
    gold, predicted = [list(tags) for tags in zip(*pairs, strict=True)]
    counts = SpanCounts()
    counts.add([spans_of(tags, scheme) for tags in gold], [spans_of(tags, scheme) for tags in predicted])
    scores = counts.scores()
    options = {"mode": "strict", "scheme": getattr(schemes, scheme), "zero_division": 0}
    for average in ("micro", "macro", "weighted"):
        got = getattr(scores, average)
        expected = [
            getattr(seqeval, f"{name}_score")(gold, predicted, average=average, **options)
            for name in ("precision", "recall", "f1")
        ]
        assert [got.precision, got.recall, got.f1] == pytest.approx(expected), average
    table = strict.precision_recall_fscore_support(
        gold, predicted, average=None, scheme=options["scheme"], zero_division=0
    )
    for name, column in zip(("precision", "recall", "f1", "support"), table, strict=True):
        assert [getattr(row, name) for row in scores.types] == pytest.approx(list(column)), name


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("scheme", sorted(PREFIXES))
@settings(max_examples=100, deadline=None)
@given(st.data())
def test_equals_seqeval_on_any_tags(scheme, data):
    pairs = data.draw(tag_lists(scheme))
    if any(spans_of(tags, scheme) for pair in pairs for tags in pair):
        check(pairs, scheme)


@pytest.mark.parametrize("scheme", sorted(PREFIXES))
def test_equals_seqeval_on_many_sentences(scheme):
    rng = np.random.default_rng(3)
    tags = ["O", *(f"{p}-{kind}" for p in PREFIXES[scheme] for kind in TYPES)]
    pairs = []
    for length in rng.integers(5, 40, 200):
        gold = rng.choice(tags, length)
        pairs.append((gold.tolist(), np.where(rng.random(length) < 0.9, gold, "O").tolist()))
    check(pairs, scheme)
