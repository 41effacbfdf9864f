"""A sample of a corpus: of about the wanted size, from all over it, and the same every time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from small_corpora import make_documents

from erya.corpus import texts as texts_module
from erya.corpus.read import blocks as blocks_module
from erya.corpus.read.files import find_files
from erya.corpus.read.options import ReadOptions
from erya.corpus.sample import Sample
from erya.corpus.texts import TextSource, open_texts
from erya.data import documents as documents_module


def walk(sample: Sample, parts: list[int]) -> list[int]:
    """Characters taken of each of the parts, read one after another."""
    taken, passed = [], 0
    for characters in parts:
        passed += characters
        found = 0
        if sample.is_worth(passed / sum(parts), characters):
            found = round(min(characters, max(sample.missing(passed / sum(parts)), 0)))
            sample.take(found)
        taken.append(found)
    return taken


def test_parts_are_taken_evenly() -> None:
    taken = walk(Sample(50_000), [1000] * 200)
    assert sum(taken) == 50_000
    assert [sum(taken[n : n + 20]) for n in range(0, 200, 20)] == [5000] * 10
    # Whole parts, not a bit of each.
    assert set(taken) == {0, 1000}


def test_a_small_sample_still_comes_from_many_places() -> None:
    taken = walk(Sample(1000), [1000] * 200)
    assert 45 <= sum(map(bool, taken)) <= 64
    assert 900 <= sum(taken) <= 1000


def test_everything_and_more_than_there_is() -> None:
    assert walk(Sample(None), [7, 3, 5]) == [7, 3, 5]
    assert walk(Sample(1000), [7, 3, 5]) == [7, 3, 5]


LINES = [f"第{n}行，这是我们的国家和人民。" for n in range(3000)]


@pytest.fixture(params=["documents", "raw"])
def paths(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    # Small files and small row groups, so that there is something to choose from.
    files = [tmp_path / f"{n}.txt" for n in range(10)]
    for n, file in enumerate(files):
        file.write_text("\n".join(LINES[n * 300 : n * 300 + 300]) + "\n", encoding="utf-8")
    if request.param == "raw":
        return files
    monkeypatch.setattr(documents_module, "ROW_GROUP_CHARACTERS", 1000)
    monkeypatch.setattr(blocks_module, "BLOCK_BYTES", 4000)
    make_documents(files, tmp_path / "documents", heldout=0.1)
    return [tmp_path / "documents"]


def opened(paths: list[Path]) -> TextSource:
    return open_texts(paths, field="text", on_progress=lambda *values: None)


def test_a_sample_comes_from_the_whole_corpus(paths: list[Path]) -> None:
    sample = list(opened(paths).train(sample=10_000))
    assert sample == list(opened(paths).train(sample=10_000))
    assert 9_000 <= sum(map(len, sample)) <= 10_500
    numbers = [int(text[1 : text.index("行")]) for text in sample]
    assert numbers == sorted(numbers)
    of_tenths = [sum(n * 300 <= number < n * 300 + 300 for number in numbers) for n in range(10)]
    assert min(of_tenths) > 30


def test_held_out_texts_are_none_of_the_sample(paths: list[Path]) -> None:
    source = opened(paths)
    train = set(source.train(sample=10_000))
    heldout = list(source.heldout())
    assert heldout
    assert not train & set(heldout)
    assert len(list(source.heldout(sample=20))) < len(heldout)


@pytest.mark.parametrize("unsized", [[0], [1], [0, 1]])
def test_a_file_that_does_not_tell_its_size_is_read_like_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unsized: list[int]
) -> None:
    paths = [tmp_path / "0.txt", tmp_path / "1.txt"]
    for number, path in enumerate(paths):
        path.write_text("\n".join(LINES[number::2]) + "\n", encoding="utf-8")
    files = find_files(paths, ReadOptions())
    files = [replace(file, size=0) if file.number in unsized else file for file in files]
    monkeypatch.setattr(texts_module, "find_files", lambda *_: files)
    source = opened(paths)
    assert sorted([*source.train(), *source.heldout()]) == sorted(LINES)
    sample = list(opened(paths).train(sample=1000))
    assert 950 <= sum(map(len, sample)) <= 1050
    assert {LINES.index(text) % 2 for text in sample} == {0, 1}
