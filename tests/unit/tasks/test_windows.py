"""Windows over long texts: nothing skipped, the overlap as said, spans of the original. No torch."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erya.errors import ConfigError, InputError
from erya.tasks.texts import EncodingReport, LengthLimit
from erya.tasks.windows import cut_windows, default_stride, encode_windows
from erya.tokenizer.wordpiece import Tokenizer

TEXT = "很大房间，好差很 大hotel怎么还款"


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"好差很大怎么还款房间，", "ho", "##tel"]
    (folder / "vocab.txt").write_text("\n".join(pieces), encoding="utf-8")
    return Tokenizer.open(folder)


def limit(max_length, *, truncate=False):
    return LengthLimit(max_length=max_length, truncate=truncate, model_limit=64)


def of_text(encoding, number):
    """(id, start, end) of the tokens of one text."""
    rows = np.column_stack([encoding.ids, encoding.spans])[encoding.text_ids == number]
    return [tuple(row) for row in rows.tolist()]


@settings(max_examples=150, deadline=None)
@given(
    length=st.integers(0, 60),
    question=st.integers(0, 4),
    room=st.integers(1, 20),
    stride=st.integers(0, 19),
    paired=st.booleans(),
)
def test_windows_hold_every_token_and_overlap_as_said(tokenizer, length, question, room, stride, paired):
    stride %= room
    text = (TEXT * 5)[:length]
    first = "怎么还款"[:question] if paired else text
    whole = tokenizer.encode(first, text) if paired else tokenizer.encode(text)
    number = int(paired)
    tokens = of_text(whole, number)
    max_length = len(whole) - len(tokens) + room
    windows = cut_windows(whole, max_length=max_length, stride=stride)

    parts = [of_text(window.encoding, number) for window in windows]
    assert all(len(window.encoding) <= max_length for window in windows)
    assert all(len(window.encoding) == max_length for window in windows[:-1])
    joined = parts[0]
    for before, after in itertools.pairwise(parts):
        assert len(after) > stride and before[len(before) - stride :] == after[:stride]
        joined = joined + after[stride:]
    assert joined == tokens
    for window in windows:
        frame = np.flatnonzero(window.encoding.text_ids < 0)
        assert window.encoding.ids[frame].tolist() == whole.ids[whole.text_ids < 0].tolist()
        assert not paired or of_text(window.encoding, 0) == of_text(whole, 0)
        inside = window.encoding.text_ids == number
        assert set(window.encoding.type_ids[inside].tolist()) <= {number}


@settings(max_examples=100, deadline=None)
@given(length=st.integers(1, 40), room=st.integers(1, 12), stride=st.integers(0, 11))
def test_a_token_is_owned_by_the_window_where_it_is_farthest_from_a_cut(tokenizer, length, room, stride):
    stride %= room
    whole = tokenizer.encode("很" * length)
    windows = cut_windows(whole, max_length=room + 2, stride=stride)
    distance = np.full((len(windows), length), -1)
    owner = np.full(length, -1)
    for number, window in enumerate(windows):
        places = window.encoding.spans[1:-1, 0]
        is_first, is_last = places[0] == 0, places[-1] == length - 1
        for index, place in enumerate(places.tolist()):
            left = 1000 if is_first else index
            right = 1000 if is_last else len(places) - 1 - index
            distance[number, place] = min(left, right)
        start, end = window.owned
        owned = window.encoding.spans[start:end, 0]
        assert (owner[owned] == -1).all()
        owner[owned] = number
    assert owner.tolist() == distance.argmax(axis=0).tolist()


def test_spans_stay_in_the_original_text(tokenizer):
    windows = cut_windows(tokenizer.encode(TEXT), max_length=6, stride=2)
    pieces = {tuple(span) for w in windows for span in w.encoding.spans[w.encoding.text_ids == 0].tolist()}
    assert [TEXT[start:end] for start, end in sorted(pieces)] == [
        *"很大房间，好差很大",
        "ho",
        "tel",
        *"怎么还款",
    ]


def test_encode_windows_counts_and_names_owners(tokenizer):
    texts, pairs = ["怎么", "怎么", "还款"], ["很" * 4, "很鑫" * 10, ""]
    done = encode_windows(texts, pairs, tokenizer, limit=limit(10), stride=2, places=["a", "b", "c"])
    report = done.report
    assert done.owners.tolist() == [0, *[1] * 6, 2] and done.owners.dtype == np.int64
    assert done.owned.shape == (8, 2) and done.owned[0].tolist() == [4, 8]
    assert (report.texts, report.windowed_texts, report.windows) == (3, 1, 8)
    assert (report.tokens, report.longest, report.truncated_texts) == (9 + 25 + 5, 25, 0)
    assert report.unknown == {"鑫": 10}  # each once, in however many windows it stands
    assert any("1 texts; 8 inputs" in line for line in report.lines())
    total = EncodingReport()
    total += report
    total += report
    assert (total.windowed_texts, total.windows, total.to_dict()["windows"]) == (2, 16, 16)


def test_no_texts_are_no_windows(tokenizer):
    done = encode_windows([], None, tokenizer, limit=limit(10), stride=2, places=[])
    assert done.encodings == [] and done.owned.shape == (0, 2) and done.owners.shape == (0,)


@pytest.mark.parametrize("stride", [-1, 8, 9, 100])
def test_a_stride_that_never_moves_on_is_refused(tokenizer, stride):
    with pytest.raises(ConfigError, match="10 tokens have room for 8") as caught:
        encode_windows(["很"], None, tokenizer, limit=limit(10), stride=stride, places=["a"])
    assert "stride of about a quarter, 2" in str(caught.value)


def test_a_first_text_that_leaves_no_room_is_refused_by_place(tokenizer):
    with pytest.raises(InputError, match="the first text has 5 tokens") as caught:
        encode_windows(
            ["很大" * 2 + "很"], ["好" * 30], tokenizer, limit=limit(12), stride=4, places=["f, line 3"]
        )
    assert "f, line 3" in str(caught.value) and "--truncate" in str(caught.value)


def test_a_first_text_may_be_cut_and_that_is_counted(tokenizer):
    first, second = "很大好差怎么", "好" * 30
    done = encode_windows(
        [first], [second], tokenizer, limit=limit(12, truncate=True), stride=4, places=["f, line 3"]
    )
    # Of 9 tokens besides the special ones 8 are twice the overlap: one is left to the first text.
    assert all(of_text(encoding, 0) == [(7, 0, 1)] for encoding in done.encodings)
    assert {end for encoding in done.encodings for _, _, end in of_text(encoding, 1)} == set(range(1, 31))
    assert (done.report.truncated_texts, done.report.lost_tokens, done.report.longest) == (1, 5, 39)
    assert done.report.cut_places == ["f, line 3 (39 tokens)"]
    short = encode_windows(
        [first], ["好"], tokenizer, limit=limit(12, truncate=True), stride=4, places=["f, line 4"]
    )
    assert short.report.truncated_texts == 0 and len(short.encodings) == 1


def test_the_usual_stride():
    assert [default_stride(length) for length in (512, 384, 24, 3)] == [128, 96, 6, 0]
