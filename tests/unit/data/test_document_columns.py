"""Documents read by columns: all that is in them, in batches of bounded size."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from document_batches import to_batch
from hypothesis import given
from hypothesis import strategies as st

from erya.data import document_columns
from erya.data.document_columns import DocumentColumns, MarkedTexts, read_columns
from erya.data.documents import SCHEMA, Document, DocumentsWriter, RowGroup, row_groups, write_manifest
from erya.errors import InputError

LONG = "我爱北京天安门，abc def。" * 40 + "\n" + "Hello wide world 12 34. " * 30


def document(text: str, *, source: str = "a", pair_start: int | None = None) -> Document:
    rng = np.random.default_rng(len(text))
    bits = [rng.random(len(text)) < 0.5 for _ in range(2)]
    return Document(text, source, None, *bits, cluster=len(text), split="train", pair_start=pair_start)


DOCUMENTS = [document("我爱"), document(LONG, source="b", pair_start=700), document("。" * 17), document("x")]


@pytest.fixture
def group(tmp_path: Path) -> RowGroup:
    writer = DocumentsWriter(tmp_path)
    writer.write(to_batch(DOCUMENTS))
    write_manifest(tmp_path, writer.finish())
    (only,) = row_groups(tmp_path)
    return only


def bits_of(batch: MarkedTexts, bits: np.ndarray, text: int) -> list[bool]:
    first = batch.firsts[text]
    return bits[first : first + batch.lengths[text]].tolist()


@pytest.mark.parametrize("size", [1, 30, 10_000])
def test_batches_hold_every_document(group: RowGroup, size: int) -> None:
    (columns,) = read_columns(group, names="source")
    assert columns.names == ["a", "b", "a", "a"]
    texts = [""] * 4
    words: list[list[bool]] = [[], [], [], []]
    sentences: list[list[bool]] = [[], [], [], []]
    pairs = {}
    for batch in columns.batches(size):
        assert len(batch.texts) == 1 or batch.lengths.sum() <= size
        for place, (row, text) in enumerate(zip(batch.rows.tolist(), batch.texts, strict=True)):
            if batch.pair_starts[place] >= 0:
                pairs[row] = len(texts[row]) + int(batch.pair_starts[place])
            texts[row] += text
            words[row] += bits_of(batch, batch.word_starts, place)
            sentences[row] += bits_of(batch, batch.sentence_ends, place)
            assert batch.ends_document[place] == (len(texts[row]) == len(DOCUMENTS[row].text))
    assert texts == [one.text for one in DOCUMENTS]
    assert words == [one.word_starts.tolist() for one in DOCUMENTS]
    assert sentences == [one.sentence_ends.tolist() for one in DOCUMENTS]
    assert pairs == {1: 700}


def test_a_long_text_is_cut_where_no_token_reaches_across(group: RowGroup) -> None:
    (columns,) = read_columns(group)
    parts = [text for batch in columns.batches(30) for text in batch.texts if batch.rows[0] == 1]
    assert len(parts) > 20 and max(map(len, parts)) < 60
    for before, after in pairwise(parts):
        assert (before[-1] == "。" and after[0] == "我") or (before[-1].isalnum() and after[0] == " ")


def test_hanzi_are_parted_only_where_nothing_better_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_columns, "_REACH", 20)
    text = "中国人民，" * 20 + "中国人民" * 20
    none = np.zeros(len(text), dtype=np.bool_)
    columns = DocumentColumns(
        pa.array([text], pa.string()),
        np.array([len(text)]),
        np.array([-1]),
        np.zeros(1, dtype=np.uint64),
        [],
        *[pa.array([np.packbits(none).tobytes()], pa.binary())] * 2,
    )
    parts = [part for batch in columns.batches(11) for part in batch.texts]
    assert "".join(parts) == text
    assert set(parts[:6]) == {"中国人民，" * 3}, "a cut may part an added word"
    assert list(map(len, parts[6:])) == [31, 31, 28]


def test_some_documents(group: RowGroup) -> None:
    (columns,) = read_columns(group, names="source")
    some = columns.filter(np.array([False, True, False, True]))
    assert (len(some), some.names, some.clusters.tolist()) == (2, ["b", "a"], [len(LONG), 1])
    (batch,) = some.batches(10_000)
    assert batch.texts == [LONG, "x"]
    assert bits_of(batch, batch.word_starts, 0) == DOCUMENTS[1].word_starts.tolist()
    assert bits_of(batch, batch.sentence_ends, 1) == DOCUMENTS[3].sentence_ends.tolist()
    assert some.text_bytes == len(LONG.encode()) + 1
    none = some.filter(np.zeros(2, dtype=bool))
    assert (list(none.batches(10)), none.text_bytes, none.num_spaces()) == ([], 0, 0)


def test_large_row_groups_come_in_parts(group: RowGroup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_columns, "_READ_CHARACTERS", group.characters // 2 + 1)
    parts = list(read_columns(group))
    assert [len(part) for part in parts] == [2, 2]
    assert [text for part in parts for text in part.texts.to_pylist()] == [one.text for one in DOCUMENTS]
    (batch,) = parts[1].batches(100)
    assert (batch.rows.tolist(), batch.texts[1]) == ([0, 1], "x")
    assert bits_of(batch, batch.word_starts, 0) == DOCUMENTS[2].word_starts.tolist()


SPACES = [chr(code) for code in range(0x110000) if chr(code).isspace()]


@given(st.lists(st.text(alphabet=st.sampled_from([*SPACES, *"a中。é“—\u2010\u1681\U0001f600"])), min_size=1))
def test_white_space_is_counted(texts: list[str]) -> None:
    none = np.zeros(0, dtype=np.int64)
    column = pa.array(["\u3000 ", *texts], pa.string())[1:]
    columns = DocumentColumns(column, none, none, none.astype(np.uint64), [], None, None)
    assert columns.num_spaces() == sum(char.isspace() for text in texts for char in text)


def test_damage_is_refused(group: RowGroup) -> None:
    table = pq.read_table(group.path)
    wrong = pa.array([bytes(1)] * 4, pa.binary())
    place = SCHEMA.get_field_index("word_starts")
    pq.write_table(table.set_column(place, SCHEMA.field(place), wrong), group.path)
    with pytest.raises(InputError, match="boundaries do not fit"):
        list(read_columns(group))
    pq.write_table(table.drop_columns(["cluster"]), group.path)
    with pytest.raises(InputError, match="cannot read the documents"):
        list(read_columns(group))
    group.path.write_bytes(b"PAR1 no")
    with pytest.raises(InputError, match="cannot read the documents"):
        list(read_columns(group))
