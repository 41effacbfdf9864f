"""Every string of an evaluation file is a text, whatever the format."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from erya.corpus.decontaminate.reading import find_evaluation_files, read_strings
from erya.errors import InputError

FIRST, SECOND = "今天的天气非常好。", "我们去公园里散步吧。"


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", f"{FIRST}\t1\n{SECOND}\t0\n"),
        ("a.txt", f"{FIRST}\n\n{SECOND}\n"),
        ("a.csv", f'1,"{FIRST}"\n0,{SECOND}\n'),
        ("a.dat", f"\ufeff{FIRST}\t{SECOND}"),
        ("a.jsonl", f'{{"a": "{FIRST}", "b": 3}}\n\n{{"c": {{"d": [null, "{SECOND}"]}}}}\n'),
        ("a.json", json.dumps([{"x": [{"y": FIRST}]}, {"z": SECOND}], indent=1)),
        ("b.json", json.dumps({"data": [{"x": FIRST}, SECOND]}, ensure_ascii=False)),
        ("a.bio", "".join("\n".join(f"{letter} O" for letter in text) + "\n\n" for text in (FIRST, SECOND))),
    ],
)
def test_each_format_gives_its_strings(tmp_path: Path, name: str, content: str) -> None:
    plain = written(tmp_path / name, content)
    found = list(read_strings(plain))
    assert {FIRST, SECOND} <= set(found)
    assert not any(len(text) > 20 for text in found), "the strings are apart"
    packed = tmp_path / f"{name}.gz"
    packed.write_bytes(gzip.compress(content.encode()))
    assert list(read_strings(packed)) == found


def test_parquet_gives_its_strings(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"t": [FIRST, None], "n": [1, 2], "l": [[], [SECOND]]}), path)
    assert list(read_strings(path)) == [FIRST, SECOND]


def test_an_answer_in_its_passage_is_left_out(tmp_path: Path) -> None:
    paragraph = {"context": FIRST, "qas": [{"question": SECOND, "answers": [{"text": "天气"}]}]}
    path = written(tmp_path / "squad.json", json.dumps({"data": [{"paragraphs": [paragraph]}]}))
    assert list(read_strings(path)) == [FIRST, SECOND]
    table = written(tmp_path / "a.tsv", f"天气\t{FIRST}\n公园\t{FIRST}\n")
    assert list(read_strings(table)) == [FIRST, "公园", FIRST]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.tsv", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "UTF-8"),
        ("a.txt", "我们的国家非常大，这里有山有水".encode("gb18030"), "UTF-8"),
        ("a.jsonl", b'{"a": "b"}\nbroken\n', "not JSON"),
        ("a.json", b'{\n"a": ', "not JSON"),
        ("a.csv", b'a,"b\n', "CSV"),
        ("a.parquet", b"PAR1", "Parquet"),
        ("a.txt.gz", b"\x1f\x8bxx", "cannot read"),
    ],
)
def test_a_bad_file_is_an_error_that_names_it(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=said) as error:
        list(read_strings(path))
    assert str(path) in str(error.value)


def test_files_directories_and_patterns(tmp_path: Path) -> None:
    (tmp_path / "dev" / "deep").mkdir(parents=True)
    (tmp_path / "none").mkdir()
    one = written(tmp_path / "one.tsv", FIRST)
    two = written(tmp_path / "dev" / "deep" / "two.bio", SECOND)
    written(tmp_path / "dev" / ".hidden", "x")

    def found(*given: str) -> set[Path]:
        return {file.path for file in find_evaluation_files(given)}

    assert found(str(one), str(one), str(tmp_path / "dev")) == {one, two}
    assert found(str(tmp_path / "**" / "*o.bio")) == {two}
    for nothing in ("none", "absent.tsv", "*.xyz"):
        with pytest.raises(InputError, match="no evaluation texts"):
            found(str(tmp_path / nothing))


def test_the_order_of_files_depends_on_their_contents_alone(tmp_path: Path) -> None:
    one, two = written(tmp_path / "a", FIRST), written(tmp_path / "b", SECOND)
    before = [file.sha256 for file in find_evaluation_files([str(one), str(two)])]
    one.rename(tmp_path / "z")
    assert [file.sha256 for file in find_evaluation_files([str(two), str(tmp_path / "z")])] == before
