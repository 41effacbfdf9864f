"""The likeliest spans of windows, against all spans tried one by one. No torch."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erya.tasks.answer.spans import WindowScores, best_spans


def random_window(rng, length, *, start=0, question=3, widths=(1, 2)):
    """Scores of [CLS], a question, [SEP], `length` tokens of a context that begins at `start`, [SEP]."""
    bounds = start + np.concatenate([[0], np.cumsum(rng.choice(widths, size=length))])
    spans = np.zeros((question + 2 + length + 1, 2), dtype=np.int32)
    spans[1 : 1 + question] = np.column_stack([np.arange(question), np.arange(question) + 1])
    spans[question + 2 : -1] = np.column_stack([bounds[:-1], bounds[1:]])
    inside = np.zeros(len(spans), dtype=bool)
    inside[question + 2 : -1] = True
    return WindowScores.of(rng.normal(size=spans.shape).astype(np.float32) * 3, spans, inside)


def every_span(window, max_length, banned=()):
    """All spans one by one, the likeliest first."""
    found = {}
    for i, (start, _) in enumerate(window.spans.tolist()):
        for j in range(i, len(window.spans)):
            end = int(window.spans[j, 1])
            free = all(end <= a or b <= start for a, b in banned)
            if end - start <= max_length and free:
                score = window.starts[i] + window.ends[j]
                found[start, end] = max(score, found.get((start, end), -math.inf))
    return sorted(((*span, score) for span, score in found.items()), key=lambda row: (-row[2], row[:2]))


def close(found, wanted):
    assert [row[:2] for row in found] == [row[:2] for row in wanted]
    assert [row[2] for row in found] == pytest.approx([row[2] for row in wanted])


def test_probabilities_are_over_the_context_and_the_first_token():
    logits = np.array([[0, 0], [9, 9], [9, 9], [1, 0], [2, 1], [7, 7]], dtype=np.float32)
    spans = np.array([[0, 0], [0, 1], [0, 0], [0, 1], [1, 2], [0, 0]], dtype=np.int32)
    window = WindowScores.of(logits, spans, np.array([0, 0, 0, 1, 1, 0], dtype=bool))
    whole = [1 + math.e + math.e**2, 1 + 1 + math.e]
    assert np.exp(window.starts) == pytest.approx([math.e / whole[0], math.e**2 / whole[0]])
    assert np.exp(window.ends) == pytest.approx([1 / whole[1], math.e / whole[1]])
    assert math.exp(window.nothing) == pytest.approx(1 / whole[0] / whole[1])
    huge = WindowScores.of(logits * 1e5, spans, np.array([0, 0, 0, 1, 1, 0], dtype=bool))
    assert np.isfinite(huge.starts).all() and huge.starts.max() == pytest.approx(0.0)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    length=st.integers(1, 14),
    number=st.integers(1, 12),
    max_length=st.integers(1, 30),
)
def test_the_best_spans_are_those_of_all_spans(seed, length, number, max_length):
    window = random_window(np.random.default_rng(seed), length)
    close(window.best(number, max_length=max_length), every_span(window, max_length)[:number])


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    banned=st.lists(st.tuples(st.integers(0, 15), st.integers(1, 5)), max_size=3),
    max_length=st.integers(1, 20),
)
def test_no_span_touches_what_is_banned(seed, banned, max_length):
    ranges = [(start, start + width) for start, width in banned]
    window = random_window(np.random.default_rng(seed), 10)
    wanted = every_span(window, max_length, ranges)[:5]
    close(window.best(5, max_length=max_length, banned=ranges), wanted)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    starts=st.lists(st.integers(0, 12), min_size=1, max_size=4),
    number=st.integers(1, 8),
    overlapping=st.booleans(),
)
def test_windows_are_merged_by_score_without_the_same_span_twice(seed, starts, number, overlapping):
    rng = np.random.default_rng(seed)
    windows = [random_window(rng, 8, start=start, widths=(1,)) for start in starts]
    every = {}
    for window in windows:
        for start, end, score in every_span(window, 6):
            every[start, end] = max(score, every.get((start, end), -math.inf))
    ranked = sorted(((*span, score) for span, score in every.items()), key=lambda row: (-row[2], row[:2]))
    wanted = []
    for row in ranked:
        if overlapping or all(row[1] <= a or b <= row[0] for a, b, _ in wanted):
            wanted.append(row)
    close(best_spans(windows, number=number, max_length=6, overlapping=overlapping), wanted[:number])


def test_of_equally_likely_spans_the_first_in_the_text_are_given():
    spans = np.array([[0, 0], *([place, place + 1] for place in range(20)), [0, 0]], dtype=np.int32)
    inside = np.array([False, *[True] * 20, False])
    window = WindowScores.of(np.zeros((22, 2), dtype=np.float32), spans, inside)
    found = window.best(4, max_length=3)
    assert [row[:2] for row in found] == [(0, 1), (0, 2), (0, 3), (1, 2)]


def test_a_character_of_several_tokens_is_begun_by_the_first_and_ended_by_the_last():
    # Four tokens, the middle two of one character.
    spans = np.array([[0, 0], [0, 1], [1, 2], [1, 2], [2, 3], [0, 0]], dtype=np.int32)
    logits = np.array([[0, 0], [0, 0], [1, 9], [9, 1], [0, 0], [0, 0]], dtype=np.float32)
    inside = np.array([0, 1, 1, 1, 1, 0], dtype=bool)
    window = WindowScores.of(logits, spans, inside)
    found = window.best(20, max_length=9)
    assert len({row[:2] for row in found}) == len(found) == 6
    assert found[0][:2] == (1, 2) and found[0][2] == pytest.approx(window.starts[1] + window.ends[2])


def test_a_window_without_context_or_with_wide_tokens_only_has_no_span():
    rng = np.random.default_rng(0)
    assert random_window(rng, 0).best(3, max_length=5) == []
    wide = random_window(rng, 4, widths=(3,))
    assert wide.best(3, max_length=2) == []
    assert best_spans([wide], number=2, max_length=2, overlapping=False) == []
