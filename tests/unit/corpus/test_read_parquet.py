"""Parquet: rows in bounded parts, whatever the row groups; columns of the wrong kind; damage."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from erya.corpus.read import blocks as blocks_module
from erya.corpus.read.blocks import read_blocks
from erya.corpus.read.files import find_files
from erya.corpus.read.options import ReadOptions
from erya.corpus.read.records import ReadTally, read_records
from erya.errors import InputError

TEXTS = [f"第{n}行，这是我们的国家。" * (n % 7 + 1) for n in range(500)]


def read(path, **options):
    wanted, tally = ReadOptions(**options), ReadTally()
    (file,) = find_files([path], wanted)
    blocks = list(read_blocks(file))
    return blocks, [record for block in blocks for record in read_records(block, wanted, tally)], tally


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(blocks_module, "BLOCK_BYTES", 4000)
    monkeypatch.setattr(blocks_module, "MAX_DOCUMENT_BYTES", 1000)


@pytest.mark.parametrize("row_group_size", [7, 90, 10_000])
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_every_row_comes_once_whatever_the_row_groups(tmp_path, small_blocks, row_group_size, kind):
    path = tmp_path / "a.parquet"
    titles = [f"题{n}" if n % 2 else None for n in range(500)]
    table = pa.table({"id": range(500), "text": pa.array(TEXTS).cast(kind), "title": titles})
    pq.write_table(table, path, row_group_size=row_group_size)
    blocks, records, tally = read(path)
    assert [(record.line, record.text, record.title) for record in records] == [
        (n + 1, text, title) for n, (text, title) in enumerate(zip(TEXTS, titles, strict=True))
    ]
    assert {record.source for record in records} == {"a"} and tally.records == 500
    assert len(blocks) > 5 and all(block.text_bytes < 20_000 for block in blocks)
    positions = [block.position for block in blocks]
    assert positions == sorted(positions) and positions[-1] == path.stat().st_size


def test_rows_without_text_and_rows_too_large(tmp_path, small_blocks):
    path = tmp_path / "a.parquet"
    pq.write_table(
        pa.table({"text": ["一", None, "x" * 1001, "y" * 1000, ""], "source": [1, 2, 3, 4, 5]}), path
    )
    blocks, records, tally = read(path, source_field="source")
    assert [(record.line, record.text[:1], record.source) for record in records] == [
        (1, "一", "1"),
        (4, "y", "4"),
        (5, "", "5"),
    ]
    assert [place for block in blocks for place in block.oversized] == [(3, 1001)]
    assert tally.dropped == {"no text in the field": 1} and tally.problems[0].line == 2


def test_texts_that_are_not_utf_8_are_mended(tmp_path):
    path = tmp_path / "a.parquet"
    values = ["好".encode() + b"\xff", "今天的天气很好".encode("gb18030"), b"a\0b", None]
    column = pa.array(values, type=pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": column}), path)
    _, records, tally = read(path)
    assert [record.text for record in records] == ["好\ufffd", "今天的天气很好", "ab"]
    assert tally.noted == {"bad bytes": 1, "read as gb18030": 1, "NUL bytes": 1}


def test_columns_that_are_missing_or_no_text_are_refused(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"content": ["一"], "id": [1], "title": [1.5], "tags": [["a"]]}), path)
    with pytest.raises(
        InputError, match="no column 'contents'; there are: content, id, title, tags"
    ) as caught:
        find_files([path], ReadOptions(field="contents"))
    assert "'content'" in caught.value.hint and caught.value.where == str(path)
    with pytest.raises(InputError, match="the column 'id' holds int64, text is wanted") as caught:
        find_files([path], ReadOptions(field="id"))
    assert caught.value.hint == "columns of text: content"
    with pytest.raises(InputError, match="the column 'tags' holds list"):
        find_files([path], ReadOptions(field="content", title_field="tags"))
    # Nobody asked for this one by name.
    assert read(path, field="content")[1][0].title is None


def test_damage_is_refused(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": TEXTS}), path, row_group_size=50, compression="zstd")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="not a Parquet file that can be read"):
        find_files([path])
    broken = bytearray(data)
    broken[len(data) // 2 : len(data) // 2 + 300] = b"\xff" * 300
    path.write_bytes(broken)
    with pytest.raises(InputError, match="not a Parquet file that can be read") as caught:
        read(path)
    assert f"{path}, row " in caught.value.where
    pq.write_table(pa.table({"text": pa.array([], type=pa.string())}), path)
    with pytest.raises(InputError, match="empty"):
        find_files([path])
