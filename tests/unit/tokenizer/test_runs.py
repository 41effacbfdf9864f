"""Runs found again: packed, too long to pack, not ASCII, in tables that fill up."""

from __future__ import annotations

import numpy as np
import pytest

from erya.tokenizer.runs import RunTable, RunTokens

RUNS = [
    "a",
    "A",
    "abcdefgh",
    "abcdefghi",
    "abcdefghijklmno",
    "abcdefghijklmnop",
    "é",
    "aé",
    "x" * 300,
    "\x00",
    "\x01",
]
RUNS += ["a\x00", "a\x01", "\x7f", "\x80", "ÿ", "\U0001f600"]


def letters(run: str) -> RunTokens:
    """A token a character, its id the code point; every second begins a word."""
    return [(ord(char), place, place + 1, place // 2) for place, char in enumerate(run)]


def check(table: RunTable, runs: list[str]) -> None:
    text = " ".join(runs) + " "
    ends = np.cumsum([len(run) + 1 for run in runs]) - 1
    starts = ends - [len(run) for run in runs]
    codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.int32)
    cut = table(text, codes, starts, ends)
    assert cut.num_tokens.tolist() == [len(run) for run in runs]
    assert cut.ids.tolist() == [ord(char) for run in runs for char in run]
    assert cut.starts.tolist() == [place for run in runs for place in range(len(run))]
    assert cut.continues.tolist() == [place % 2 for run in runs for place in range(len(run))]
    assert not cut.more.any() and not cut.wide.any()


def test_each_run_has_its_own_tokens_however_often_it_comes() -> None:
    table = RunTable(letters)
    for _ in range(3):
        check(table, RUNS + RUNS[::-1])


def test_runs_that_share_a_slot_do_not_mix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("erya.tokenizer.runs._SLOT_BITS", 4)
    table = RunTable(letters)
    runs = [f"w{number}" for number in range(200)]
    for _ in range(3):
        check(table, runs)


def test_it_forgets_and_learns_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RunTable, "MAX_RUNS", 8)
    table = RunTable(letters)
    for start in range(0, 100, 10):
        check(table, [f"w{number}" for number in range(start, start + 10)])
    check(table, ["w1", "w99"])


def test_tokens_that_share_a_character_make_a_run_wide() -> None:
    table = RunTable(lambda run: [(1, 0, 1, 0), (2, 0, 1, 0), (3, 1, 3, 1)])
    codes = np.array([97, 98, 99, 32], dtype=np.int32)
    cut = table("abc ", codes, np.array([0]), np.array([3]))
    assert cut.wide.tolist() == [True]
    assert (cut.ids.tolist(), cut.more.tolist(), cut.continues.tolist()) == ([1, 2, 3], [0, 0, 1], [0, 1, 0])


def test_long_runs_count_for_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RunTable, "MAX_CHARACTERS", 1000)
    cut: list[str] = []

    def remember(run: str) -> RunTokens:
        cut.append(run)
        return [(1, 0, len(run), 0)]

    table = RunTable(remember)
    for number in range(10):
        text = f"{number}" * 300 + " "
        table(text, np.frombuffer(text.encode("utf-32-le"), np.int32), np.array([0]), np.array([300]))
    text = "0" * 300 + " "
    table(text, np.frombuffer(text.encode("utf-32-le"), np.int32), np.array([0]), np.array([300]))
    assert cut.count("0" * 300) == 2, "it was never forgotten"
