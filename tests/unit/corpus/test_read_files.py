"""Which files are meant, what they are, and what is refused before any work begins."""

import errno
import gzip
import lzma
import os
import pickle
from pathlib import Path

import pytest

from erya.corpus.read.blocks import read_blocks
from erya.corpus.read.files import find_files
from erya.corpus.read.names import names_meant
from erya.corpus.read.options import ReadOptions
from erya.corpus.read.records import ReadTally, read_records
from erya.errors import InputError

WIKI = '<doc id="1" url="u" title="数学">\n数学\n\n数学是科学。\n</doc>\n'


def write(path, text="好的文本\n"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def names(files):
    return [os.path.relpath(file.path, start=os.path.commonpath([f.path for f in files])) for file in files]


def texts(files):
    return [
        record.text
        for file in files
        for block in read_blocks(file)
        for record in read_records(block, ReadOptions(), ReadTally())
    ]


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "raw" / "b.txt")
    write(tmp_path / "raw" / "a.jsonl", '{"text": "好的"}\n')
    write(tmp_path / "raw" / "sub" / "c.TXT.xz", lzma.compress("好的".encode()))
    write(tmp_path / "raw" / "AA" / "wiki_00", WIKI)
    write(tmp_path / "raw" / "AA" / "wiki_01.gz", gzip.compress(b'{"title": "t", "text": "x y"}\n'))
    for name in ("d.md", ".hidden.txt", ".git/x.txt", "_SUCCESS", "AA/other_00"):
        write(tmp_path / "raw" / name)
    return tmp_path / "raw"


def test_directories_stand_for_their_texts_in_order(folder):
    files = find_files([folder])
    assert names(files) == ["AA/wiki_00", "AA/wiki_01.gz", "a.jsonl", "b.txt", "sub/c.TXT.xz"]
    assert [file.format for file in files] == ["wiki", "jsonl", "jsonl", "text", "text"]
    assert [file.number for file in files] == [0, 1, 2, 3, 4]
    assert [file.source for file in files] == ["wiki", "wiki", "a", "b", "c"]
    assert all(file.size == Path(file.path).stat().st_size for file in files)
    assert pickle.loads(pickle.dumps(files)) == files


def test_links_below_a_directory_are_followed_once(folder, tmp_path):
    write(tmp_path / "elsewhere" / "e.txt")
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (folder / "sub" / "round").symlink_to(folder)
    found = names(find_files([folder]))
    assert found == ["AA/wiki_00", "AA/wiki_01.gz", "a.jsonl", "b.txt", "linked/e.txt", "sub/c.TXT.xz"]
    (folder / "gone.txt").symlink_to(tmp_path / "missing")
    with pytest.raises(InputError, match=r"no such file[\s\S]*gone\.txt"):
        find_files([folder])


def test_a_directory_that_cannot_be_listed_is_refused(folder, monkeypatch):
    listed = Path.iterdir

    def refusing(path):
        if path.name == "sub":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", refusing)
    with pytest.raises(InputError, match=r"Permission denied[\s\S]*/sub"):
        find_files([folder])


def test_a_name_that_no_file_can_have_is_refused():
    with pytest.raises(InputError, match="too long"):
        find_files(["a" * 5000])


def test_a_name_that_is_not_utf_8_is_refused(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + "新闻".encode("gbk") + b".txt"))
    try:
        path.write_text("好的文本\n", encoding="utf-8")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    for given in (path, tmp_path, f"{tmp_path}/*.txt"):
        with pytest.raises(InputError, match="not UTF-8") as error:
            find_files([given])
        str(error.value).encode()


def test_patterns_stand_for_the_files_they_match(folder):
    assert names(find_files([f"{folder}/**/*.txt"])) == ["."]
    assert names(find_files([f"{folder}/**/wiki_0?"])) == ["."]
    assert len(find_files([f"{folder}/*.*"])) == 3
    write(folder / "odd[1].txt")
    assert find_files([folder / "odd[1].txt"])[0].source == "odd[1]"
    for pattern in ("/*.csv", "/s*"):
        with pytest.raises(InputError, match="no file matches"):
            find_files([f"{folder}{pattern}"])


def test_urls_are_read_as_paths_are(folder):
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            memory.pipe(f"/urls/{path.relative_to(folder)}", path.read_bytes())
    try:
        local, remote = find_files([folder]), find_files(["memory://urls"])
        assert [file.path for file in remote] == [
            f"memory:///urls/{os.path.relpath(file.path, folder)}" for file in local
        ]
        assert texts(remote) == texts(local)
        assert len(find_files(["memory://urls/**/wiki_*"])) == 2
        assert texts(find_files(["memory://urls/b.txt"])) == ["好的文本"]
        with pytest.raises(InputError, match="given twice"):
            find_files(["memory://urls/b.txt", "memory:///urls/*.txt"])
        with pytest.raises(InputError, match="no file matches"):
            find_files(["memory://urls/*.csv"])
        for missing in ("memory://urls/missing.txt", "memory://missing"):
            with pytest.raises(InputError, match="no such file"):
                find_files([missing])
        memory.pipe("/urls/table.parquet", parquet_bytes())
        assert texts(find_files(["memory://urls/table.parquet"])) == ["一", "二"]
        memory.pipe("/urls/cut.txt.gz", gzip.compress(os.urandom(9000).hex().encode())[:5000])
        with pytest.raises(InputError, match="cannot read the file") as caught:
            find_files(["memory://urls/cut.txt.gz"])
        assert caught.value.where.startswith("memory://urls/cut.txt.gz")
    finally:
        memory.rm("/urls", recursive=True)


def parquet_bytes():
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(pa.table({"text": ["一", "二"]}), sink)
    return sink.getvalue()


def test_a_file_url_is_a_path(folder):
    files = find_files([f"file://{folder}/b.txt"])
    assert files[0].path == f"{folder}/b.txt"
    with pytest.raises(InputError, match="given twice"):
        find_files([f"file://{folder}/b.txt", folder / "b.txt"])


def test_a_url_that_nothing_can_open_is_refused():
    pytest.importorskip("fsspec")
    with pytest.raises(InputError, match="not a URL that fsspec can open") as caught:
        find_files(["nonsense://bucket/a.txt"])
    assert caught.value.where == "nonsense://bucket/a.txt"


def test_a_protocol_without_its_package_is_named(monkeypatch):
    core = pytest.importorskip("fsspec.core")

    def missing(url):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(core, "url_to_fs", missing)
    with pytest.raises(InputError, match="Install s3fs") as caught:
        find_files(["s3://bucket/a.txt"])
    assert "install the package" in caught.value.hint


def test_the_same_file_twice_is_refused_whatever_its_names(folder, tmp_path):
    link = tmp_path / "link.txt"
    link.symlink_to(folder / "b.txt")
    for pair in ([folder / "b.txt", link], [folder, folder / "b.txt"], [folder, f"{folder}/sub/../b.txt"]):
        with pytest.raises(InputError, match="given twice") as caught:
            find_files(pair)
        assert "b.txt" in caught.value.hint and str(pair[1]) in caught.value.where
    # Two files may hold the same: that is for deduplication to find.
    other = write(tmp_path / "other" / "b.txt")
    assert len(find_files([folder / "b.txt", other])) == 2


def test_the_content_says_what_the_name_does_not(tmp_path):
    for name, text, form in [
        ("zhwiki.txt", WIKI, "wiki"),
        ("wiki_00", '{"id": "1", "text": "正文"}\n', "jsonl"),
        ("dump", '{ "text": "正文"}\n', "jsonl"),
        ("dump.txt", '{"text": "正文"}\n', "text"),
        ("wiki_02", "只是文本\n", "text"),
        ("NEWS.JSONL", '{"text": "正文"}\n', "jsonl"),
        ("a.tsv", "text\tlabel\n正文\t1\n", "tsv"),
    ]:
        path = write(tmp_path / name, text)
        assert find_files([path])[0].format == form, name
    utf16 = write(tmp_path / "wiki_03", WIKI.encode("utf-16"))
    assert find_files([utf16])[0].format == "wiki"


def test_json_lines_are_lines_whatever_the_unit(tmp_path):
    path = write(tmp_path / "news.v2.jsonl.gz", gzip.compress('{"text": "我们"}\n'.encode()))
    file = find_files([path], ReadOptions(unit="file"))[0]
    assert file.format == "jsonl" and file.unit == "line" and file.source == "news.v2"


def test_an_encoding_can_be_given(tmp_path):
    # Two characters say too little: this is good UTF-8 and good Big5.
    path = write(tmp_path / "a.txt", "瞟\n".encode("big5"))
    assert texts(find_files([path], ReadOptions(encoding="big5hkscs"))) == ["瞟"]
    utf16 = write(tmp_path / "b.txt", "\ufeff好\n".encode("utf-16-be"))
    assert texts(find_files([utf16], ReadOptions(encoding="utf-16-be"))) == ["好"]


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("missing.txt", None, "no such file"),
        ("empty.txt", b"", "empty"),
        ("blank.txt", b" \n\n", "empty"),
        ("nuls.txt", bytes(100_000), "empty"),
        ("empty.txt.xz", lzma.compress(b""), "empty"),
        ("binary.txt", bytes(range(256)) * 9, "not a text file"),
        ("really.txt", gzip.compress(b"text"), "gzip"),
        ("notxz.txt.xz", b"plain text", "cannot read"),
        ("list.json", b'[{"text": "a"}]', "JSON list"),
        ("table.parquet.gz", b"PAR1", "compressed within"),
        ("table.parquet", b"PAR1 no PAR1", "not a Parquet file"),
        ("table.txt", b"PAR1 no PAR1", "Parquet"),
    ],
)
def test_bad_files(tmp_path, name, data, said):
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(InputError, match=said) as caught:
        find_files([path])
    assert caught.value.where.startswith(str(path))


def test_a_pipe_cannot_be_read_twice(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="not a regular file"):
        find_files([tmp_path / "pipe"])


def test_a_directory_without_texts_is_refused(tmp_path):
    for name in (".hidden.txt", "a.md"):
        write(tmp_path / name)
    with pytest.raises(InputError, match="holds no raw text") as caught:
        find_files([tmp_path])
    assert caught.value.where == str(tmp_path)


def test_mostly_ascii_with_a_few_other_bytes_is_text(tmp_path):
    path = write(tmp_path / "a.txt", b"a line of English\n" * 100 + b"caf\xe9\n" + b"another line\n" * 100)
    assert find_files([path])[0].encoding == "utf-8"


def test_columns_are_looked_for_before_any_work(tmp_path):
    table = write(tmp_path / "a.csv", '"标题",content,content2\r\n1,2,3\r\n')
    with pytest.raises(InputError, match="no column 'contnet'; there are: 标题, content, content2") as caught:
        find_files([table], ReadOptions(field="contnet"))
    assert "'content'" in caught.value.hint and caught.value.where == f"{table}, line 1"
    with pytest.raises(InputError, match="no column 'name'"):
        find_files([table], ReadOptions(field="content", source_field="name"))
    with pytest.raises(InputError, match="no column '4'; there are: 1, 2, 3"):
        find_files([table], ReadOptions(field="4"))
    with pytest.raises(InputError, match="no column 'content2'; there are: 1, 2, 3"):
        find_files([table], ReadOptions(field="1", pair_field="content2"))
    twice = write(tmp_path / "b.tsv", "text\ttext\n1\t2\n")
    with pytest.raises(InputError, match="stands there 2 times"):
        find_files([twice])
    endless = write(tmp_path / "c.csv", "x" * (3 << 20))
    with pytest.raises(InputError, match="no end within 1 MiB"):
        find_files([endless])


def test_pairs_need_fields(tmp_path):
    path = write(tmp_path / "a.txt", "hello\t你好\n")
    with pytest.raises(InputError, match="no fields") as caught:
        find_files([path], ReadOptions(field="1", pair_field="2"))
    assert caught.value.where == str(path)


def test_names_meant_keeps_what_is_there_as_it_is(folder):
    assert list(names_meant(f"{folder}/b.txt")) == [f"{folder}/b.txt"]
