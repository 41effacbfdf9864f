"""Raw files in blocks: whole documents, constant memory, damage with its place."""

import bz2
import codecs
import gzip
import lzma
import random
import tracemalloc

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from erya.corpus.read import blocks as blocks_module
from erya.corpus.read.blocks import read_blocks
from erya.corpus.read.files import find_files
from erya.corpus.read.options import ReadOptions
from erya.corpus.read.records import ReadTally, read_records
from erya.errors import InputError

TEXT = "".join(f"第{n}行，这是我们的国家。\n" for n in range(200))
PACK = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}


def blocks_of(path, **options):
    return [block for file in find_files([path], ReadOptions(**options)) for block in read_blocks(file)]


def texts_of(path, **options):
    options = ReadOptions(**options)
    tally = ReadTally()
    found = [
        record.text
        for file in find_files([path], options)
        for block in read_blocks(file)
        for record in read_records(block, options, tally)
    ]
    return found, tally


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(blocks_module, "BLOCK_BYTES", 256)
    monkeypatch.setattr(blocks_module, "MAX_DOCUMENT_BYTES", 1000)


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_every_line_comes_once(tmp_path, suffix, encoding, small_blocks):
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(PACK[suffix](TEXT.encode(encoding)))
    found = blocks_of(path)
    assert len(found) > 5
    assert [block.number for block in found] == list(range(len(found)))
    assert "".join(block.data.decode(block.encoding) for block in found) == TEXT
    assert all(block.data.endswith(b"\n") for block in found)
    line = 1
    for block in found:
        assert block.first_line == line
        line += block.data.count(b"\n")
    assert found[-1].position == path.stat().st_size
    assert sum(block.text_bytes for block in found) == len(TEXT.encode(found[0].encoding))


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".bz2", ".zst"])
def test_files_of_several_members_are_read_to_the_end(tmp_path, suffix):
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(
        b"".join(PACK[suffix](line.encode()) for line in ("第一部分\n", "第二部分\n", "", "完\n"))
    )
    assert texts_of(path)[0] == ["第一部分", "第二部分", "完"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_damage_inside_utf_16_stays_damage(tmp_path, encoding, small_blocks):
    path = tmp_path / "a.txt"
    halves = "好\ud83d。\n\ude00好\n" + "𠮷" * 99 + "\n"
    data = (TEXT + halves + TEXT).encode(encoding, "surrogatepass")
    path.write_bytes(codecs.BOM_UTF16_LE + data if encoding == "utf-16-le" else codecs.BOM_UTF16_BE + data)
    expected = (TEXT + halves + TEXT).encode("utf-8", "surrogatepass")
    expected = expected.replace(b"\xed\xa0\xbd", b"\xff").replace(b"\xed\xb8\x80", b"\xff")
    assert b"".join(block.data for block in blocks_of(path)) == expected
    # Cut off in the middle: of a character, of a pair, of either half of a pair.
    for tail, damaged in [("好", 1), ("𠮷", 1), ("𠮷", 2), ("𠮷", 3)]:
        end = len(tail.encode(encoding)) - damaged
        path.write_bytes(path.read_bytes()[:2] + TEXT.encode(encoding) + tail.encode(encoding)[:end])
        found = b"".join(block.data for block in blocks_of(path))
        assert found.startswith(TEXT.encode()) and b"\xff" in found[len(TEXT.encode()) :]


@given(st.lists(st.sampled_from(["一二三。", "", "四", " ", "\r"]), min_size=1, max_size=60))
def test_paragraphs_are_the_same_however_blocks_fall(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("p") / "a.txt"
    path.write_bytes(("开头\n" + "\n".join(lines)).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks_module, "BLOCK_BYTES", 37)
        found = blocks_of(path, unit="paragraph")
        assert b"".join(block.data for block in found) == path.read_bytes()
        in_parts, _ = texts_of(path, unit="paragraph")
    assert in_parts == texts_of(path, unit="paragraph")[0]


FIELDS = st.sampled_from(["", "一", 'a "b" c', "x,y", "两\n行", "\r\n", '"', '""', "结尾\n", "a\nb,c\n\nd"])


@given(st.lists(st.tuples(FIELDS, FIELDS), min_size=1, max_size=30), st.sampled_from(["\n", "\r\n"]))
def test_csv_rows_are_the_same_however_blocks_fall(tmp_path_factory, rows, end):
    import csv
    import io

    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator=end)
    writer.writerows([("text", "other"), *rows])
    path = tmp_path_factory.mktemp("c") / "a.csv"
    path.write_bytes(out.getvalue().encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks_module, "BLOCK_BYTES", 29)
        found, tally = texts_of(path)
    assert found == [text for text, _ in rows]
    assert tally.records == len(rows) and not tally.dropped


def test_a_quotation_mark_that_nothing_closes_costs_its_row_only(tmp_path, small_blocks):
    rows = [f"第{n}行的文本" for n in range(300)]
    rows[20] = '"没有关上的引号'
    path = tmp_path / "a.csv"
    path.write_text("text\n" + "\n".join(rows) + "\n", encoding="utf-8")
    found, tally = texts_of(path)
    assert found == rows[:20] + rows[21:]
    assert tally.dropped == {"a broken CSV row": 1} and tally.problems[0].line == 22


def test_wiki_articles_are_whole(tmp_path, small_blocks):
    path = tmp_path / "wiki_00"
    # The mark ends an article only where it is a line of its own.
    texts = [f"\n正文{n}。\n</doc> 与 </doc>\n尾\n" for n in range(30)]
    articles = [
        f'<doc id="{n}" url="u" title="题{n}">\n题{n}\n{text}</doc>\n' for n, text in enumerate(texts)
    ]
    path.write_text("".join(articles), encoding="utf-8")
    found = blocks_of(path)
    assert len(found) > 3 and all(block.data.endswith("尾\n</doc>\n".encode()) for block in found)
    assert texts_of(path)[0] == texts


def test_a_whole_file_is_one_block(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks_module, "BLOCK_BYTES", 256)
    path = tmp_path / "a.txt"
    path.write_text(TEXT, encoding="utf-8")
    assert len(blocks_of(path, unit="file")) == 1


@pytest.mark.parametrize(
    ("name", "unit", "before", "after"),
    [
        ("a.txt", "line", "第一行\n第二行\n", "\n之后\n还有\n"),
        ("a.txt", "paragraph", "第一段\n\n", "\n\n之后\n\n还有"),
        ("a.jsonl", "line", '{"text": "第一行"}\n', '\n{"text": "之后"}\n'),
        ("a.tsv", "line", "text\n第一行\n", "\n之后\n"),
        ("a.csv", "line", "text\n第一行\n", "\n之后\n"),
        ("a.csv", "line", 'text\n第一行\n"', '"\n之后\n'),
        (
            "wiki_00",
            "line",
            '<doc title="一">\n一\n</doc>\n<doc title="大">',
            '\n</doc>\n<doc title="二">\n之后\n</doc>\n',
        ),
    ],
)
@pytest.mark.parametrize("size", [1001, 1300, 5000])
def test_a_document_too_large_is_left_out_and_the_rest_goes_on(
    tmp_path, small_blocks, name, unit, before, after, size
):
    path = tmp_path / name
    path.write_bytes(before.encode() + b"x" * size + after.encode())
    found = blocks_of(path, unit=unit)
    left_out = [place for block in found for place in block.oversized]
    assert len(left_out) == 1
    line, num_bytes = left_out[0]
    assert line == before.count("\n") + 1
    assert size <= num_bytes <= size + 50
    texts, tally = texts_of(path, unit=unit)
    assert "之后" in "".join(texts) and "x" not in "".join(texts)
    assert not tally.dropped
    last = [record for block in found for record in read_records(block, ReadOptions(unit=unit), ReadTally())][
        -1
    ]
    numbers = path.read_text(encoding="utf-8").split("\n")
    assert last.text.strip() in numbers[last.line - 1] or name == "wiki_00"


def test_a_document_of_just_the_largest_size_is_kept(tmp_path, small_blocks):
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\n" + b"x" * 999 + b"\ntwo\n" + b"y" * 1000)
    assert [len(text) for text in texts_of(path)[0]] == [3, 999, 3, 1000]


def test_a_file_that_is_one_document_too_large_still_says_so(tmp_path, small_blocks):
    path = tmp_path / "a.txt"
    path.write_bytes(b"x\n" * 3000)
    (block,) = blocks_of(path, unit="file")
    assert block.oversized == ((1, 6000),) and block.data == b""
    assert list(read_records(block, ReadOptions(unit="file"), ReadTally())) == []


def test_an_endless_line_takes_little_memory(tmp_path):
    path = tmp_path / "a.txt.gz"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write("第一行\n".encode())
        for _ in range(200):
            stream.write(b"x" * (1 << 20))
        stream.write("\n最后一行\n".encode())
    tracemalloc.start()
    try:
        found = blocks_of(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [block.oversized for block in found if block.oversized] == [((2, (200 << 20) + 1),)]
    assert b"".join(block.data for block in found).decode() == "第一行\n最后一行\n"
    assert peak < 80 << 20


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".bz2", ".zst"])
def test_a_cut_off_file_is_an_error_that_says_how_far_it_came(tmp_path, suffix):
    path = tmp_path / f"a.txt{suffix}"
    text = "".join(random.Random(1).choices("我们的国家人民一二三四五六七八九十\n", k=200_000))
    data = PACK[suffix](text.encode())
    path.write_bytes(data[: len(data) * 3 // 4])
    with pytest.raises(InputError, match=r"cannot read the file beyond [\d,]+ bytes of text") as caught:
        blocks_of(path)
    done = int(caught.value.what.split(" beyond ")[1].split()[0].replace(",", ""))
    place, line = caught.value.where.split(", line ")
    assert place == str(path)
    assert int(line) == 1 + text.encode()[:done].count(b"\n")
    if suffix in (".gz", ".zst"):
        assert done > len(text.encode()) // 2


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".bz2", ".zst"])
def test_damage_in_the_middle_is_an_error(tmp_path, suffix):
    path = tmp_path / f"a.txt{suffix}"
    text = "".join(random.Random(2).choices("我们的国家人民一二三四五六七八九十\n", k=200_000))
    data = bytearray(PACK[suffix](text.encode()))
    middle = len(data) // 2
    data[middle : middle + 200] = bytes(200)
    path.write_bytes(data)
    with pytest.raises(InputError, match="cannot read the file"):
        # zstd has no checksum here: it may read on, and then there are bad bytes to count.
        _, tally = texts_of(path)
        if suffix == ".zst" and tally.noted:
            raise InputError("cannot read the file: noticed as bad bytes")


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8", "big5"])
def test_what_begins_in_ascii_is_read_by_its_first_line_that_does_not(tmp_path, encoding, small_blocks):
    path = tmp_path / "a.txt"
    text = "plain\n" * 20_000 + "我們的國家很大\n" * 50
    path.write_bytes(text.encode(encoding))
    found = blocks_of(path)
    assert {block.encoding for block in found} == {encoding if encoding != "big5" else "big5hkscs"}
    assert b"".join(block.data for block in found).decode(encoding) == text
