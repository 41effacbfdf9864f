"""An index of texts: passages, vectors kept or made anew, exact answers; with vectors made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from erya.errors import CheckpointError, ConfigError, InputError, StorageError
from erya.tasks.embed.index.build import build_index
from erya.tasks.embed.index.passages import passages
from erya.tasks.embed.index.shared import shared_stretches
from erya.tasks.embed.index.store import IndexOptions, SearchIndex, require_same_model

KEYS = "春夏秋冬"
OPTIONS = IndexOptions(model="m1", size=4, max_chars=8, dtype="float16")


class Counter:
    """Makes a vector that counts the seasons in a text, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, texts) -> np.ndarray:
        self.asked += texts
        vectors = np.array([[text.count(key) for key in KEYS] for text in texts], dtype=np.float32)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def build(folder: Path, out: Path, embed: Counter, options: IndexOptions = OPTIONS):
    return build_index(
        folder,
        out,
        embed=embed,
        options=options,
        model_directory="/model",
        endings=[".txt"],
        progress=lambda number: None,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    texts = tmp_path / "texts"
    (texts / "below").mkdir(parents=True)
    (texts / "a.txt").write_text("春天来了。夏天热。\n秋天到了。", encoding="utf-8")
    (texts / "below" / "b.TXT").write_bytes("冬天冷，春天不远。".encode("gb18030"))
    (texts / "empty.txt").write_text(" \n", encoding="utf-8")
    (texts / "picture.png").write_bytes(b"\x89PNG")
    return texts


def test_passages_end_where_sentences_do() -> None:
    text = "一二三。四五。六七八九十。\n 甲乙丙丁戊己庚辛壬癸。"
    found = [text[start:end] for start, end in passages(text, max_chars=8)]
    assert found == ["一二三。四五。", "六七八九十。", "甲乙丙丁戊己庚辛", "壬癸。"]
    assert passages(" \n ", max_chars=5) == []


@given(st.text(alphabet="甲乙。！\n a.", max_size=60), st.integers(1, 9))
def test_every_letter_lies_in_one_passage(text: str, max_chars: int) -> None:
    spans = passages(text, max_chars=max_chars)
    covered = [place for start, end in spans for place in range(start, end)]
    assert covered == sorted(set(covered))
    assert all(0 < end - start <= max_chars for start, end in spans)
    assert not any(text[place].isalnum() for place in set(range(len(text))) - set(covered))


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_texts_are_found_in_their_files(tmp_path, folder, dtype) -> None:
    embed = Counter()
    options = OPTIONS.model_copy(update={"dtype": dtype})
    report = build(folder, tmp_path / "index", embed, options)
    assert (report.files, report.passages, report.computed, report.kept_files) == (3, 4, 4, 0)
    index = SearchIndex.open(tmp_path / "index")
    assert index.vectors.dtype == dtype and isinstance(index.vectors, np.memmap)
    (query,) = Counter()(["冬"])
    first, second = index.search(query, top=2)
    assert (first.path, first.text) == ("below/b.TXT", "冬天冷，春天不远"), first
    assert first.score == pytest.approx(2**-0.5, abs=1e-3) and second.score == 0.0
    assert first.to_dict()["start"] == 0 and first.to_dict()["end"] == 8
    (autumn,) = index.search(Counter()(["秋"])[0], top=1)
    text = (folder / "a.txt").read_text(encoding="utf-8")
    assert (autumn.path, text[autumn.start : autumn.end]) == ("a.txt", "秋天到了。")
    assert len(index.search(query, top=100)) == 4


def test_unchanged_files_are_not_computed_again(tmp_path, folder) -> None:
    build(folder, tmp_path / "index", Counter())
    before = SearchIndex.open(tmp_path / "index").vectors.copy()
    embed = Counter()
    report = build(folder, tmp_path / "index", embed)
    assert embed.asked == [] and report.kept_files == 3 and report.computed == 0
    np.testing.assert_array_equal(SearchIndex.open(tmp_path / "index").vectors, before)

    (folder / "a.txt").rename(folder / "z.txt")  # the same text under another name
    (folder / "new.txt").write_text("夏夏夏。", encoding="utf-8")
    (folder / "below" / "b.TXT").unlink()
    report = build(folder, tmp_path / "index", embed)
    assert embed.asked == ["夏夏夏。"] and (report.files, report.kept_files) == (3, 2)
    index = SearchIndex.open(tmp_path / "index")
    assert [file.path for file in index.record.files] == ["empty.txt", "new.txt", "z.txt"]
    hits = index.search(Counter()(["夏"])[0], top=2)
    assert [(hit.path, hit.text) for hit in hits] == [("new.txt", "夏夏夏。"), ("z.txt", "夏天热。")]

    for options in (OPTIONS.model_copy(update={"model": "m2"}), OPTIONS.model_copy(update={"max_chars": 3})):
        again = Counter()
        assert build(folder, tmp_path / "index", again, options).kept_files == 0 and again.asked


def test_a_failure_leaves_the_old_index(tmp_path, folder) -> None:
    build(folder, tmp_path / "index", Counter())
    (folder / "c.txt").write_text("春。", encoding="utf-8")

    def broken(texts):
        raise RuntimeError("power")

    with pytest.raises(RuntimeError):
        build(folder, tmp_path / "index", broken)
    assert len(SearchIndex.open(tmp_path / "index").record.files) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index", "texts"]


def test_what_changed_since_is_said(tmp_path, folder) -> None:
    build(folder, tmp_path / "index", Counter())
    (folder / "a.txt").write_text("改了。", encoding="utf-8")
    index = SearchIndex.open(tmp_path / "index")
    assert index.search(Counter()(["夏"])[0], top=1)[0].text is None
    require_same_model(index, "m1", where="here")
    with pytest.raises(ConfigError, match="another model"):
        require_same_model(index, "m2", where="here")


def test_mistakes_are_named(tmp_path, folder) -> None:
    with pytest.raises(InputError, match="no such folder"):
        build(tmp_path / "nowhere", tmp_path / "index", Counter())
    with pytest.raises(InputError, match=r"no file ends in \.txt"):
        (tmp_path / "bare").mkdir()
        build(tmp_path / "bare", tmp_path / "index", Counter())
    with pytest.raises(StorageError, match="holds something else"):
        build(folder, folder, Counter())
    with pytest.raises(InputError, match="no index"):
        SearchIndex.open(tmp_path / "index")
    (folder / "noise.txt").write_bytes(bytes(range(256)) * 20)
    report = build(folder, tmp_path / "index", Counter())
    assert report.files == 3 and report.skipped[0].startswith("noise.txt: ")
    vectors = tmp_path / "index" / "vectors.npy"
    np.save(vectors, np.zeros((1, 4), np.float16))
    with pytest.raises(CheckpointError, match="do not fit"):
        SearchIndex.open(tmp_path / "index")
    vectors.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="damaged"):
        SearchIndex.open(tmp_path / "index")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("", "", "damaged: not a JSON file"),
        ('"folder"', '"folder', "damaged: not a JSON file"),
        ('"size": 4', '"size": "four"', r"damaged: options\.size: .*\(got 'four'\)"),
        ('"size": 4,', "", r"damaged: options\.size: is missing"),
        ('"start": 0', '"start": 1', r"damaged: .*rows of a\.txt do not follow"),
        ('"size": 4', '"size": 5', r"vectors\.npy has the shape \(4, 4\), by index\.json it is \(4, 5\)"),
        ('"format_version": 1', '"format_version": 2', "of a newer Erya: format 2, this one knows 1"),
    ],
)
def test_what_is_damaged_is_said_and_what_to_do(tmp_path, folder, before, after, said) -> None:
    build(folder, tmp_path / "index", Counter())
    file = tmp_path / "index" / "index.json"
    content = file.read_text(encoding="utf-8")
    assert before in content
    file.write_text(content.replace(before, after, 1) if before else "", encoding="utf-8")
    with pytest.raises(CheckpointError, match=said) as caught:
        SearchIndex.open(tmp_path / "index")
    assert str(tmp_path / "index") in str(caught.value.where)
    assert "erya search index MODEL FOLDER --out" in str(caught.value.hint)
    assert len(str(caught.value.what).splitlines()) == 1


def test_a_folder_without_passages_can_be_asked(tmp_path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "empty.txt").write_text("\n", encoding="utf-8")
    report = build(tmp_path / "texts", tmp_path / "index", Counter())
    assert report.passages == 0
    assert SearchIndex.open(tmp_path / "index").search(np.ones(4, np.float32), top=3) == []


def test_what_a_passage_shares_with_a_query_is_marked() -> None:
    passage = "如何还款？BERT还款 日。"
    marked = [passage[start:end] for start, end in shared_stretches("怎么还款日bert", passage)]
    assert marked == ["还款", "BERT", "还款"]
    assert shared_stretches("甲", "甲甲") == []
