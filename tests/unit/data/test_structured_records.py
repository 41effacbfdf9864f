"""Structured fields, Parquet files, and what a line in another encoding is said to be."""

import lzma

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from erya.data.problems import Problems
from erya.data.records import read_json_lines, read_records
from erya.errors import InputError

COLUMNS = {"text": "content", "entities": "spans", "id": "key"}
SPANS = [{"start": 0, "end": 2, "type": "LOC", "score": 0.5}]


def read(path, **options):
    return list(read_records(path, columns=COLUMNS, **options))


def parquet(path, **columns):
    pq.write_table(pa.table(columns), path, row_group_size=2)
    return path


def error(path, **options):
    with pytest.raises(InputError) as caught:
        read(path, **options)
    return str(caught.value)


def test_json_keeps_structured_fields_as_they_are_and_lacks_optional_ones(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"content": "北京", "spans": [{"start": 0, "end": 2, "type": "LOC", "score": 0.5}]}\n')
    (record,) = read(path, structured=("entities",), optional=("id",))
    assert record.data == {"entities": SPANS}
    assert record.values == {"text": "北京"}
    assert "'key'" in error(path, structured=("entities",))
    assert "field 'spans'" in error(path, optional=("id",))
    with path.open("rb") as stream:
        options = {"columns": COLUMNS, "structured": ("entities",), "optional": ("id",)}
        assert next(read_json_lines("stdin", stream, **options)).data == {"entities": SPANS}


def test_null_is_absent_for_an_optional_field_and_an_error_for_another(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"content": "北京", "spans": null, "key": null}\n')
    (record,) = read(path, structured=("entities",), optional=("id", "entities"))
    assert (record.values, record.data) == ({"text": "北京"}, {})
    assert "field 'key'" in error(path, structured=("entities",))
    assert read(path, structured=("entities", "id"))[0].data == {"entities": None, "id": None}


def test_a_cell_of_a_table_holds_a_structured_field_as_json(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text('content\tspans\n北京\t[[0, 2, "LOC"]]\n上海\t\n')
    first, second = read(path, structured=("entities",), optional=("id", "entities"))
    assert (first.data, second.data) == ({"entities": [[0, 2, "LOC"]]}, {})
    message = error(path, structured=("entities",), optional=("id",))
    assert "line 3, field 'spans'" in message and "JSON is wanted" in message


def test_parquet_gives_rows_with_numbers_and_nested_columns(tmp_path):
    texts = ["北京", "上海", "广州", "深圳", "成都"]
    path = parquet(
        tmp_path / "a.parquet",
        content=pa.array(texts).dictionary_encode(),
        spans=[SPANS, [], SPANS, [], SPANS],
        key=[1, 2, 3, 4, 5],
        other=[None] * 5,
    )
    records = read(path, structured=("entities",))
    assert [record.values["text"] for record in records] == texts
    assert [record.values["id"] for record in records] == list("12345")
    assert [len(record.data["entities"]) for record in records] == [1, 0, 1, 0, 1]
    assert records[0].data["entities"] == SPANS
    assert [record.line for record in records] == [1, 2, 3, 4, 5]
    assert records[4].where == f"{path}, row 5"


def test_parquet_mistakes_say_which_row_and_which_column(tmp_path):
    path = parquet(tmp_path / "a.parquet", content=["北京", "上海", None], spans=[[], [], []])
    message = error(path, structured=("entities",), optional=("id",))
    assert "row 3, field 'content'" in message
    renamed = parquet(tmp_path / "b.parquet", content=["北京"], span=["a"])
    assert "did you mean 'span'" in error(renamed, optional=("id",))
    bad = pa.Array.from_buffers(pa.string(), 2, pa.array([b"ok", b"\xb7\xbf"]).buffers())
    message = error(parquet(tmp_path / "c.parquet", content=bad, spans=["", ""]), optional=("id",))
    assert "not UTF-8" in message and "row 2" in message
    whole = path.read_bytes()
    path.write_bytes(whole[:4] + bytes(len(whole) // 2) + whole[4 + len(whole) // 2 :])
    assert "Parquet" in error(path, structured=("entities",), optional=("id",))


def test_a_parquet_file_without_rows_is_refused(tmp_path):
    empty = pa.array([], type=pa.string())
    assert "no record" in error(parquet(tmp_path / "a.parquet", content=empty, spans=empty), optional=("id",))


REVIEW = "房间很大，服务也不错，我们下次来的时候还会住这里的。\n"


@pytest.mark.parametrize(
    ("encoding", "said"),
    [("gb18030", "GB18030"), ("big5", "BIG5-HKSCS"), ("utf-16-le", "UTF-16LE"), ("utf-16", "UTF-16LE")],
)
def test_the_likely_encoding_is_named(tmp_path, encoding, said):
    text = "content\tspans\n" + 20 * ("1\t" + REVIEW)
    traditional = "房間很大，服務也不錯，我們下次來的時候還會住這裡的。\n"
    text = text.replace(REVIEW, traditional) if encoding == "big5" else text
    (tmp_path / "a.tsv.xz").write_bytes(lzma.compress(text.encode(encoding)))
    message = error(tmp_path / "a.tsv.xz", optional=("id",))
    line = 1 if encoding.startswith("utf-16") else 2
    assert f"looks like {said}" in message and f"line {line}\n" in message and f"-f {said} " in message


def test_one_line_in_another_encoding_is_named_though_the_rest_is_utf8(tmp_path):
    lines = [(b"content\tspans\n"), *[("1\t" + REVIEW).encode()] * 9]
    lines[4] = ("1\t" + REVIEW).encode("gb18030")
    (tmp_path / "a.tsv").write_bytes(b"".join(lines))
    message = error(tmp_path / "a.tsv", optional=("id",))
    assert "looks like GB18030" in message and "line 5\n" in message


def test_damaged_bytes_have_no_encoding(tmp_path):
    (tmp_path / "a.tsv").write_bytes(
        ("content\tspans\n" + "1\t" + REVIEW).encode() + b"\xff\xfe\xff\xff\t1\n"
    )
    assert "damaged" in error(tmp_path / "a.tsv", optional=("id",))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", "content\tspans\n好\t[]\n差\n中\t[1]\t2\n坏\t[\n末\t[]\n"),
        ("a.jsonl", '{"content": "好", "spans": []}\n{"content": "差"}\n{\n{"content": 1.5, "spans": 1}\n\n'
         '{"content": "末", "spans": []}\n'),
    ],
)  # fmt: skip
def test_rows_that_cannot_be_used_are_left_out_and_counted_where_that_is_asked_for(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    problems = Problems()
    options = {"structured": ("entities",), "optional": ("id",)}
    rows = read(path, **options, broken=problems.note)
    assert [row.values["text"] for row in rows] == ["好", "末"]
    lines = [3, 4, 5] if name == "a.tsv" else [2, 3, 4]
    assert [problem.line for problem in problems.kept["a row that cannot be used"]] == lines
    assert f"line {lines[0]}" in error(path, **options)


def test_rows_of_parquet_are_left_out_too(tmp_path):
    path = parquet(tmp_path / "a.parquet", content=["北京", None, "上海"], spans=[[], [], []])
    problems = Problems()
    options = {"structured": ("entities",), "optional": ("id",)}
    assert [row.line for row in read(path, **options, broken=problems.note)] == [1, 3]
    assert "row 2" in problems.lines()[0]
