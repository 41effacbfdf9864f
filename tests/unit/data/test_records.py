"""Records from TSV, CSV and JSON lines: what is read, and what each mistake says."""

import bz2
import gzip
import lzma
from pathlib import Path

import pytest
import zstandard

from erya.data.records import is_table, read_records
from erya.errors import InputError

COLUMNS = {"text": "text_a", "label": "label"}


def write(path, content):
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def values(path, columns=COLUMNS):
    return [
        tuple(record.values[field] for field in columns) for record in read_records(path, columns=columns)
    ]


def error(path, columns=COLUMNS):
    with pytest.raises(InputError) as caught:
        list(read_records(path, columns=columns))
    return str(caught.value)


TSV = 'label\ttext_a\n1\t房间很"大"\n\n0\t"有点吵\n'


def test_tsv_takes_quotes_as_they_stand_and_skips_empty_lines(tmp_path):
    records = list(read_records(write(tmp_path / "a.tsv", TSV), columns=COLUMNS))
    assert [record.values["text"] for record in records] == ['房间很"大"', '"有点吵']
    assert [record.line for record in records] == [2, 4]
    assert records[1].where.endswith("a.tsv, line 4")


def test_csv_follows_quotes_over_lines(tmp_path):
    path = write(tmp_path / "a.csv", '\ufefftext_a,label\r\n"第一行，\n""第二行""",好\r\n普通,差\r\n')
    assert values(path) == [('第一行，\n"第二行"', "好"), ("普通", "差")]
    assert [record.line for record in read_records(path, columns=COLUMNS)] == [2, 4]


def test_csv_field_may_be_long(tmp_path):
    path = write(tmp_path / "a.csv", f"text_a,label\n{'长' * 200_000},1\n")
    assert len(values(path)[0][0]) == 200_000


def test_json_lines_turn_whole_numbers_into_text(tmp_path):
    path = write(
        tmp_path / "a.jsonl", '{"text_a": "好", "label": 1, "id": 2.5}\n{"label": true, "text_a": "差"}'
    )
    assert values(path) == [("好", "1"), ("差", "true")]


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [(".gz", gzip.compress), (".xz", lzma.compress), (".bz2", bz2.compress), (".zst", zstandard.compress)],
)
def test_compressed(tmp_path, suffix, compress):
    path = write(tmp_path / f"a.tsv{suffix}", compress(TSV.encode()))
    assert [label for _, label in values(path)] == ["1", "0"]


def test_zstandard_frames_are_all_read_and_a_cut_one_is_noticed(tmp_path):
    body = "".join(f"{number}\t好\n" for number in range(50_000))
    frames = zstandard.compress(b"label\ttext_a\n") + zstandard.compress(body.encode())
    assert len(values(write(tmp_path / "a.tsv.zst", frames))) == 50_000
    assert "cut short" in error(write(tmp_path / "b.tsv.zst", frames[:-9]))
    assert "cannot read" in error(write(tmp_path / "c.tsv.zst", b"not compressed"))


def test_only_newline_ends_a_line(tmp_path):
    path = write(tmp_path / "a.tsv", "text_a\tlabel\n一\u2028二\x0b三\x85四\t1\n")
    assert values(path) == [("一\u2028二\x0b三\x85四", "1")]


def test_wrong_column_lists_those_there_and_the_nearest(tmp_path):
    message = error(write(tmp_path / "a.tsv", TSV), {"text": "text_b"})
    assert "'text_b'" in message and "label, text_a" in message and "did you mean 'text_a'" in message
    message = error(write(tmp_path / "a.jsonl", '{"content": "好"}\n'), {"text": "contents"})
    assert "did you mean 'content'" in message and "line 1" in message


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("a.tsv", "label\ttext_a\n1\t好\n1\n", ["line 3", "1 fields", "2 (label, text_a)"]),
        ("a.tsv", "label\ttext_a\n1\t好\t差\n", ["line 2", "3 fields"]),
        ("a.csv", 'label,text_a\n1,好\n1,"没有结束\n还有\n', ["line 3", "broken CSV"]),
        ("a.csv", 'label,text_a\n1,"他说"好""\n', ["line 2", "doubled"]),
        ("a.tsv", "label\ttext_a\tlabel\n1\t好\t2\n", ["'label'", "2 times"]),
        ("a.jsonl", '{"text_a": "好", "label": "1"}\n{"text_a": \n', ["line 2", "not JSON"]),
        ("a.jsonl", "[1]\n", ["line 1", "not a JSON object"]),
        ("a.jsonl", "9" * 5000 + "\n", ["line 1", "too long"]),
        ("a.jsonl", "[" * 100_000 + "\n", ["line 1", "too deep"]),
        ("a.jsonl", '{"text_a": null, "label": 1}\n', ["line 1, field 'text_a'", "null"]),
        ("a.jsonl", '{"text_a": "好", "label": 0.5}\n', ["field 'label'", "0.5"]),
        ("a.tsv", "", ["empty"]),
        ("a.tsv", "\n\n", ["no column"]),
        ("a.tsv", "label\ttext_a\n", ["no record"]),
        ("a.jsonl", "\n", ["no record"]),
        ("a.tsv", b"\x00\x01\x02\x7fELF", ["binary", "line 1"]),
        ("a.tsv", "label\ttext_a\n1\t好\n".encode() + "1\t房间".encode("gbk"), ["UTF-8", "line 3", "iconv"]),
        ("a.tsv", "label\ttext_a\n".encode("utf-16"), ["line 1", "looks like UTF-16LE", "iconv"]),
        ("a.tsv.gz", b"not compressed", ["cannot read"]),
        ("a.dat", "label\ttext_a\n", ["format", ".tsv"]),
        ("a.parquet", "label\ttext_a\n", ["not a Parquet file"]),
        ("a.parquet.gz", "label\ttext_a\n", ["compressed inside"]),
        ("a.json", '{\n "text_a": "好"\n}\n', ["line 1", "whole on its line"]),
    ],
)
def test_broken_files_say_what_and_where(tmp_path, name, content, parts):
    message = error(write(tmp_path / name, content))
    assert str(tmp_path / name) in message
    for part in parts:
        assert part in message


@pytest.mark.parametrize(("name", "between"), [("a.tsv", "\t"), ("a.txt", "\t"), ("a.csv", ",")])
def test_columns_of_a_table_without_names_go_by_number(tmp_path, name, between):
    path = write(tmp_path / name, f"1{between}好\n0{between}坏\n")
    found = list(read_records(path, columns={"text": "2", "label": "1"}))
    assert [(row.line, row.values["text"], row.values["label"]) for row in found] == [
        (1, "好", "1"),
        (2, "坏", "0"),
    ]
    assert "no column '3' (wanted for text); the first line has: 1, 2" in error(path, {"text": "3"})
    assert "no column 'text'" in error(path, {"text": "text", "label": "1"}), "some names are no numbers"


def test_columns_whose_names_are_numbers(tmp_path):
    path = write(tmp_path / "a.tsv", "0\t1\n好\t甲\n")
    (found,) = read_records(path, columns={"text": "0", "label": "1"})
    assert (found.line, found.values["text"], found.values["label"]) == (2, "好", "甲")


def test_a_first_row_that_holds_a_number_of_a_column_names_none(tmp_path):
    path = write(tmp_path / "stars.tsv", "2\t好\n5\t很好\n")
    assert [row.values["text"] for row in read_records(path, columns={"text": "2"})] == ["好", "很好"]
    path = write(tmp_path / "scored.txt", "甲\t乙\t1\n丙\t丁\t5\n")
    columns = {"text": "1", "pair": "2", "score": "3"}
    first, second = read_records(path, columns=columns, optional=("pair", "score"))
    assert first.values == {"text": "甲", "pair": "乙", "score": "1"} and second.values["score"] == "5"


def test_where_no_column_is_needed_any_number_says_that_there_are_no_names(tmp_path):
    path = write(tmp_path / "a.tsv", "甲\t[]\n")
    columns = {"text": "1", "entities": "2", "words": "words"}
    (row,) = read_records(path, columns=columns, structured=("entities", "words"), optional=columns)
    assert (row.values, row.data) == ({"text": "甲"}, {"entities": []})
    path = write(tmp_path / "b.tsv", "text\n甲\n")
    (row,) = read_records(path, columns={"text": "text", "words": "words"}, optional=("text", "words"))
    assert row.values == {"text": "甲"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.tsv", True),
        ("a.TXT.xz", True),
        ("a.v2.csv", True),
        ("a.tsv.jsonl", False),
        ("a.txt.parquet", False),
    ],
)
def test_the_ending_alone_says_what_is_a_table(name, expected):
    assert is_table(Path(name)) == expected


def test_missing_file_and_directory(tmp_path):
    assert "no such file" in error(tmp_path / "nothing.tsv")
    assert "directory" in error(tmp_path)


def test_rows_before_the_broken_one_are_still_streamed(tmp_path):
    rows = read_records(write(tmp_path / "a.tsv", "label\ttext_a\n1\t好\n1\n"), columns=COLUMNS)
    assert next(rows).values["text"] == "好"
    with pytest.raises(InputError):
        next(rows)
