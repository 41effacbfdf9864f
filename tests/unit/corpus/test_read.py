"""Raw files in blocks: every form, compressed and not, and what is refused."""

import bz2
import codecs
import gzip
import lzma

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from erya.corpus import read
from erya.corpus.read import find_files, read_blocks
from erya.errors import InputError

TEXT = "".join(f"第{n}行，这是我们的国家。\n" for n in range(200))
PACK = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}


def blocks(path, unit="line"):
    return [block for file in find_files([path], unit=unit) for block in read_blocks(file)]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(read, "BLOCK_BYTES", 256)


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_every_line_comes_once(tmp_path, suffix, encoding):
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(PACK[suffix](TEXT.encode(encoding)))
    found = blocks(path)
    assert len(found) > 5
    assert "".join(block.data.decode(block.encoding) for block in found) == TEXT
    assert all(block.data.endswith(b"\n") for block in found)
    line = 1
    for block in found:
        assert block.first_line == line
        line += block.data.count(b"\n")
    assert found[-1].position == path.stat().st_size


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_damage_inside_utf_16_stays_damage(tmp_path, encoding):
    path = tmp_path / "a.txt"
    halves = "好\ud83d。\n\ude00好\n" + "𠮷" * 99 + "\n"
    data = (TEXT + halves + TEXT).encode(encoding, "surrogatepass")
    path.write_bytes(codecs.BOM_UTF16_LE + data if encoding == "utf-16-le" else codecs.BOM_UTF16_BE + data)
    expected = (TEXT + halves + TEXT).encode("utf-8", "surrogatepass")
    expected = expected.replace(b"\xed\xa0\xbd", b"\xff").replace(b"\xed\xb8\x80", b"\xff")
    assert b"".join(block.data for block in blocks(path)) == expected
    # Cut off in the middle: of a character, of a pair, of either half of a pair.
    for tail, damaged in [("好", 1), ("𠮷", 1), ("𠮷", 2), ("𠮷", 3)]:
        end = len(tail.encode(encoding)) - damaged
        path.write_bytes(path.read_bytes()[:2] + TEXT.encode(encoding) + tail.encode(encoding)[:end])
        found = b"".join(block.data for block in blocks(path))
        assert found.startswith(TEXT.encode()) and b"\xff" in found[len(TEXT.encode()) :]


@given(st.lists(st.sampled_from(["一二三。", "", "四"]), min_size=1, max_size=60))
def test_blocks_end_between_paragraphs(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("p") / "a.txt"
    text = "开头\n" + "\n".join(lines)
    path.write_text(text, encoding="utf-8")
    found = blocks(path, unit="paragraph")
    assert b"".join(block.data for block in found).decode() == text
    assert all(block.data.endswith(b"\n\n") for block in found[:-1])


def test_a_whole_file_is_one_block(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(TEXT, encoding="utf-8")
    assert len(blocks(path, unit="file")) == 1


def test_json_lines_are_lines_whatever_the_unit(tmp_path):
    path = tmp_path / "news.v2.jsonl.gz"
    path.write_bytes(gzip.compress('{"text": "我们"}\n'.encode()))
    file = find_files([path], unit="file")[0]
    assert file.is_json and file.unit == "line" and file.source == "news.v2"


def test_directories_stand_for_their_texts(tmp_path):
    for name in ("b.txt", "a.jsonl", "sub/c.txt.xz", "d.md"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(lzma.compress("好的".encode()) if name.endswith("xz") else "好的".encode())
    assert [file.path.name for file in find_files([tmp_path])] == ["a.jsonl", "b.txt", "c.txt.xz"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no raw text"):
        find_files([tmp_path / "empty"])


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("missing.txt", None, "no such file"),
        ("empty.txt", b"", "empty"),
        ("blank.txt", b" \n\n", "empty"),
        ("empty.txt.xz", lzma.compress(b""), "empty"),
        ("binary.txt", bytes(range(256)) * 9, "not a text file"),
        ("really.txt", gzip.compress(b"text"), "gzip"),
        ("notxz.txt.xz", b"plain text", "cannot read"),
        ("list.json", b'[{"text": "a"}]', "JSON list"),
    ],
)
def test_bad_files(tmp_path, name, data, said):
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(InputError, match=said) as caught:
        find_files([path])
    assert caught.value.where == str(path)


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".bz2", ".zst"])
def test_a_cut_off_file_is_an_error_not_an_end(tmp_path, suffix):
    path = tmp_path / f"a.txt{suffix}"
    import random

    text = "".join(random.Random(1).choices("我们的国家人民一二三四五六七八九十\n", k=300_000))
    data = PACK[suffix](text.encode())
    path.write_bytes(data[: len(data) * 3 // 4])
    with pytest.raises(InputError, match="cannot read"):
        blocks(path)


def test_a_document_may_not_be_endless(tmp_path, monkeypatch):
    monkeypatch.setattr(read, "MAX_DOCUMENT_BYTES", 1000)
    path = tmp_path / "a.txt"
    path.write_text("我们" * 1000, encoding="utf-8")
    with pytest.raises(InputError, match="larger than"):
        blocks(path)


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8", "big5"])
def test_what_begins_in_ascii_is_read_by_its_first_line_that_does_not(tmp_path, encoding):
    path = tmp_path / "a.txt"
    text = "plain\n" * 20_000 + "我們的國家很大\n" * 50
    path.write_bytes(text.encode(encoding))
    found = blocks(path)
    assert {block.encoding for block in found} == {encoding if encoding != "big5" else "big5hkscs"}
    assert b"".join(block.data for block in found).decode(encoding) == text
