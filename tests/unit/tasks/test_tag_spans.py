"""Gold spans survive encoding and decoding unchanged, or are counted with the reason why they cannot."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tag_answers import example, made_task, open_vocabulary, places_of, right_outputs

from erya.tasks.tag.recipe import TagSettings
from erya.tasks.tag.targets import IN_NO_WINDOW, OVERLAPPING, TAGS, TOUCHING, UNSAYABLE
from erya.tasks.tag.task import TagTask
from erya.tasks.tag.tokens import BARE_BORDER, CUT_OFF, INSIDE_A_TOKEN, NO_TOKEN, TextTokens
from erya.tasks.texts import LengthLimit
from erya.tokenizer.wordpiece import Tokenizer

TYPES = ("LOC", "PER")
CHARACTERS = "张三在北京臺灣龘𠮷 \t\u3000abAB12éﬁ한국😀👨\u200d👩\u200bX-。，\n\u0301"
KNOWN = "张三在北京臺湾灣ab12-。，😀é"
HEADS = [("linear", "io"), ("linear", "bio"), ("linear", "bioes"), ("crf", "bio"), ("span_pairs", "bio")]
WHOLE = LengthLimit(512, False, 512)


@pytest.fixture(scope="module", params=["native", "reference"])
def tokenizer(request, tmp_path_factory) -> Tokenizer:
    return open_vocabulary(tmp_path_factory.mktemp("tokenizer"), KNOWN, mode=request.param)


def some_places(draw, text: str, *, nested: bool) -> list[tuple[int, int, str]]:
    """Stretches of a text, apart from each other unless they may nest."""
    if nested:
        ends = st.tuples(st.integers(0, len(text) - 1), st.integers(1, 6), st.sampled_from(TYPES))
        drawn = draw(st.lists(ends, max_size=5, unique=True))
        return list({(start, min(start + size, len(text)), kind) for start, size, kind in drawn})
    places, start = [], 0
    while start < len(text):
        start += draw(st.integers(0, 3))
        end = start + draw(st.integers(1, 4))
        if end <= len(text):
            places.append((start, end, draw(st.sampled_from(TYPES))))
        start = end
    return places


@st.composite
def annotated(draw, *, nested: bool):
    text = draw(st.text(st.one_of(st.sampled_from(CHARACTERS), st.characters()), min_size=1, max_size=24))
    return text, some_places(draw, text, nested=nested)


def possible(text: str, places, tokenizer: Tokenizer, scheme: str) -> set[tuple[int, int, str]]:
    """The places whose borders are borders of tokens; in IO those that no other of their type touches."""
    spans = tokenizer.encode(text).spans[1:-1].tolist()
    starts, ends = {start for start, _ in spans}, {end for _, end in spans}
    fit = {place for place in places if place[0] in starts and place[1] in ends}
    if scheme != "io":
        return fit
    following = {end: min((s for s, _ in spans if s >= end), default=-1) for end in ends}
    touching = {(a, b) for a in fit for b in fit if following[a[1]] == b[0] and a[2] == b[2] and a != b}
    return fit - {place for pair in touching for place in pair}


@pytest.mark.parametrize(("head", "scheme"), HEADS)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_spans_survive(data, head, scheme, tokenizer) -> None:
    nested = head == "span_pairs"
    text, places = data.draw(annotated(nested=nested))
    task = made_task(head, TYPES, scheme=scheme)
    given_ = example(text, *places)
    encoded = task.encode([given_], tokenizer, limit=WHOLE)
    (found,) = task.decode(right_outputs(task, encoded), encoded, [given_])
    wanted = possible(text, places, tokenizer, scheme if not nested else "")
    got = places_of(found.entities)
    if scheme == "io":
        # Two that touch are found as one, which is none of them.
        got &= set(places)
        assert wanted <= got
    else:
        assert got == wanted
    assert sum(encoded.report.misfits.values()) == len(places) - len(wanted)
    assert all(entity.text == text[entity.start : entity.end] for entity in found.entities)


@pytest.mark.parametrize("truncate", [False, True])
@pytest.mark.parametrize(("head", "scheme"), HEADS)
@pytest.mark.parametrize("seed", range(6))
def test_spans_survive_windows(seed, head, scheme, truncate, tokenizer) -> None:
    """Long texts in windows that overlap give what the whole gives; what is cut off is counted."""
    rng = random.Random(seed)
    text = "".join(rng.choice(CHARACTERS) for _ in range(90))
    places, start = [], 0
    while start < 84:
        start += rng.randint(1, 4)
        size = rng.randint(1, 5)
        places.append((start, start + size, rng.choice(TYPES)))
        start += size
    if head == "span_pairs":
        places += [(start, start + 3, "PER") for start in (5, 30, 61)]
    places = list(set(places))
    task = made_task(head, TYPES, scheme=scheme, stride=rng.choice([8, 11, 17]))
    given_ = example(text, *places)
    encoded = task.encode([given_], tokenizer, limit=LengthLimit(24, truncate, 512))
    assert (len(encoded.features) > 1) == (not truncate)
    (found,) = task.decode(right_outputs(task, encoded), encoded, [given_])
    wanted = possible(text, places, tokenizer, scheme if head != "span_pairs" else "")
    got = places_of(found.entities) & set(places)
    if truncate:
        last = encoded.encodings[0].spans[:, 1].max()
        assert encoded.report.misfits[CUT_OFF] >= sum(end > last for _, end, _ in places) - 1
        wanted = {place for place in wanted if place[1] <= last}
    assert wanted == got if scheme != "io" else wanted <= got


def test_reasons_are_counted_with_their_places(tmp_path) -> None:
    tokenizer = open_vocabulary(tmp_path, "张三北京ab", mode="native")
    text = "张三 ab北京"
    cases = {
        (3, 4, "PER"): INSIDE_A_TOKEN,
        (2, 3, "PER"): NO_TOKEN,
        (1, 3, "PER"): BARE_BORDER,
    }
    whole = open_vocabulary(tmp_path / "whole", "张三北京ab", "ab")
    for place, reason in cases.items():
        task = made_task("linear", TYPES)
        encoded = task.encode([example(text, place)], whole, limit=WHOLE)
        assert encoded.report.misfits == {reason: 1}
        assert repr(text[place[0] : place[1]]) in encoded.report.misfit_places[0]
    assert (
        not made_task("linear", TYPES)
        .encode([example(text, (3, 4, "PER"))], tokenizer, limit=WHOLE)
        .report.misfits
    )
    flat = made_task("linear", TYPES).encode(
        [example(text, (0, 2, "PER"), (1, 2, "LOC"))], tokenizer, limit=WHOLE
    )
    assert flat.report.misfits == {OVERLAPPING: 1}
    touching = made_task("linear", TYPES, scheme="io")
    report = touching.encode([example(text, (0, 1, "PER"), (1, 2, "PER"))], tokenizer, limit=WHOLE).report
    assert report.misfits == {TOUCHING: 2}


def test_what_the_labels_of_another_model_cannot_say_is_counted(tmp_path) -> None:
    tokenizer = open_vocabulary(tmp_path, "张三北京", mode="native")
    task = TagTask(("O", "B-PER", "B-LOC", "I-LOC"), TagSettings())
    example_of_both = example("张三北京", (0, 2, "PER"), (2, 4, "LOC"))
    encoded = task.encode([example_of_both], tokenizer, limit=WHOLE)
    assert encoded.report.misfits == {UNSAYABLE: 1}
    assert encoded.features[0].row_targets[TAGS].tolist() == [-100, 0, 0, 2, 3, -100]


def test_a_span_that_no_window_holds_is_counted(tmp_path) -> None:
    tokenizer = open_vocabulary(tmp_path, "张三北京", mode="native")
    text = "张三北京" * 5
    pairs = made_task("span_pairs", TYPES, stride=2)
    limit = LengthLimit(8, False, 512)
    report = pairs.encode([example(text, (0, 7, "PER"), (0, 6, "LOC"))], tokenizer, limit=limit).report
    assert report.misfits == {IN_NO_WINDOW: 1}
    tags = made_task("linear", TYPES, stride=2)
    assert not tags.encode([example(text, (0, 7, "PER"))], tokenizer, limit=limit).report.misfits


def test_a_token_is_answered_for_where_it_is_farthest_from_an_edge(tmp_path) -> None:
    tokenizer = open_vocabulary(tmp_path, "张三北京", mode="native")
    task = made_task("linear", TYPES, stride=4)
    given_ = example("张三北京" * 4)
    encoded = task.encode([given_], tokenizer, limit=LengthLimit(10, False, 512))
    tokens = TextTokens.of(encoded.encodings)
    assert (
        len(tokens) == 16 and tokens.starts.tolist() == [0, 4, 8] and tokens.cuts.tolist() == [0, 6, 10, 16]
    )
    numbered = [np.full((len(item.ids), 1), number) for number, item in enumerate(encoded.features)]
    assert tokens.merge(numbered)[:, 0].tolist() == [0] * 6 + [1] * 4 + [2] * 6
    assert tokens.best_window(np.array([4, 7, 0]), np.array([5, 8, 12])).tolist() == [0, 1, -1]
    assert all((item.row_targets[TAGS][[0, -1]] == -100).all() for item in encoded.features)


@pytest.mark.parametrize("head", ["linear", "crf", "span_pairs"])
def test_texts_without_a_token_have_no_entities(head, tokenizer) -> None:
    task = made_task(head, TYPES)
    examples = [example(text) for text in ("", " \t", "张", "")]
    for part in (examples, examples[:2]):
        encoded = task.encode(part, tokenizer, limit=WHOLE)
        assert [answer.entities for answer in task.decode(right_outputs(task, encoded), encoded, part)] == [
            ()
        ] * len(part)
