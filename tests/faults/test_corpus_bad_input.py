"""Bad input of `erya corpus`, as its user sees it: what, where, what to do."""

from __future__ import annotations

import gzip
import json
import lzma
import random
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard
from corpus_commands import HANZI, Command, left, read, report, texts, write_lines

from erya.corpus.read import blocks


def pack(suffix: str, data: bytes) -> bytes:
    if suffix == "zst":
        return zstandard.ZstdCompressor().compress(data)
    return gzip.compress(data) if suffix == "gz" else lzma.compress(data)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("suffix", ["gz", "xz", "zst"])
def test_a_truncated_file_is_refused_with_its_place_and_what_was_read_before_stays(
    corpus: Command, tmp_path: Path, raw: Path, suffix: str
) -> None:
    rng = random.Random(3)
    # More than is read at a time, and it does not compress to nothing.
    data = "\n".join("".join(rng.choices(HANZI, k=100)) for _ in range(1500)).encode()
    packed = pack(suffix, data)
    path = tmp_path / f"packed.txt.{suffix}"
    path.write_bytes(packed[: len(packed) * 3 // 4])
    status, said = corpus("clean", raw, path, "--out", "out")
    assert status == 2
    assert "cannot read the file beyond" in said and f"{path}, line " in said and "fetch it again" in said
    assert left(tmp_path) == ["out.unfinished"]
    done = {
        number: sum(
            json.loads(summary.read_bytes())["documents"]
            for summary in Path("out.unfinished").glob(f"blocks/000000{number}-*/0*.json")
        )
        for number in (0, 1)
    }
    assert done[0] == 300 and done[1] > 100


@pytest.mark.usefixtures("small_blocks")
def test_a_line_too_long_to_hold_is_left_out_and_counted(
    corpus: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "MAX_DOCUMENT_BYTES", 20_000)
    first, last = texts(2)
    path = write_lines(tmp_path / "raw.txt", [first, "好" * 70_000, last])
    status, said = corpus("clean", path, "--out", "out")
    assert status == 0 and f"{path}, line 2: a record too large to hold (210,001 bytes)" in said
    assert read("out") == [first, last] and report()["dropped"] == {"a record too large to hold": 1}


@pytest.mark.slow
def test_a_line_of_200_megabytes_takes_no_memory(tmp_path: Path) -> None:
    before, after = texts(2)
    with (tmp_path / "raw.txt").open("w", encoding="utf-8") as stream:
        stream.write(before + "\n")
        for _ in range(200):
            stream.write("好" * 333_333)
        stream.write("\n" + after + "\n")
    child = "import sys; from pathlib import Path; from erya.cli.main import run; run(sys.argv[1:]);"
    # What getrusage tells has this process in it, too.
    child += "print(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])"
    command = [sys.executable, "-c", child, "corpus", "clean", "raw.txt", "--out", "out", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert int(done.stdout.splitlines()[-1]) < 400 << 10
    assert json.loads(done.stdout.splitlines()[0])["kept"] == 2


def test_bad_bytes_nul_and_other_encodings_are_mended_counted_and_shown_with_their_places(
    corpus: Command, tmp_path: Path
) -> None:
    good = texts(20)
    lines = [text.encode() for text in good]
    lines[2] = lines[2][:9] + b"\0" + lines[2][9:]
    lines[4] = good[4].encode("gb18030")
    for number in range(6, 16):
        lines[number] = lines[number][:12] + b"\xff" + lines[number][15:]
    path = tmp_path / "混 合.txt"
    path.write_bytes(b"\r\n".join(lines))
    status, said = corpus("clean", path, "--out", "out")
    assert status == 0
    assert f"{path}, line 3: NUL bytes (1 from byte 10 of the line)" in said
    assert f"{path}, line 5: read as gb18030" in said
    assert f"{path}, line 7: bad bytes (1 from byte 13 of the line)" in said
    assert said.count(": bad bytes") == 5, "the first few of a kind are shown"
    assert report()["noted"] == {"bad bytes": 10, "NUL bytes": 1, "read as gb18030": 1}
    assert {*good[:2], *good[3:6]} < set(read("out")) and len(read("out")) == 20


def test_of_each_kind_of_problem_some_are_shown(corpus: Command, tmp_path: Path) -> None:
    for number in range(9):
        write_lines(tmp_path / f"{number}.jsonl", ["{"] * 4 + [json.dumps({"text": texts(9)[number]})])
    write_lines(tmp_path / "9.jsonl", ['{"text": 5}', json.dumps({"text": texts(11)[10]})])
    status, said = corpus("clean", *sorted(tmp_path.glob("*.jsonl")), "--out", "out")
    assert status == 0 and said.count("not a JSON object") == 5
    assert "9.jsonl, line 1: no text in the field" in said
    assert report()["dropped"]["not a JSON object"] == 36


MISTAKES = {
    "an empty directory": (["empty"], "no raw text", "empty"),
    "an empty file": (["empty.txt"], "the file is empty", "empty.txt"),
    "no file": (["nothing.txt"], "no such file", "nothing.txt"),
    "a link to itself": (["self.txt"], "no such file", "self.txt"),
    "no text": (["binary.txt"], "not a text file", "binary.txt"),
    "a pattern without a match": (["*.csv"], "no file matches", "*.csv"),
    "a file twice": (["raw.txt", "./raw.txt"], "given twice", "the first time as raw.txt"),
    "a file and a link to it": (["raw.txt", "link.txt"], "given twice", "where: link.txt"),
    "a file and a pattern": (["r*w.txt", "raw.txt"], "given twice", "raw.txt (of r*w.txt)"),
    "a broken dictionary": (["raw.txt", "--user-words", "words"], "not a word", "words, line 2"),
    "broken blocked words": (["raw.txt", "--blocked-words", "blocked"], "two characters", "blocked, line 2"),
    "an unknown key": (["raw.txt", "--set", "filters.min_charcters=3"], "unknown key", "min_characters"),
    "an unknown key of a recipe": (["raw.txt", "--recipe", "r.yaml"], "unknown key 'heldot'", "'heldout'"),
    "no size": (["raw.txt", "--memory", "lots"], "not a size", "--memory"),
    "little memory": (["raw.txt", "--memory", "9MiB"], "too little memory", "MiB or more"),
    "many workers": (["raw.txt", "--workers", "99", "--memory", "1GiB"], "99 workers", "--workers 1"),
    "an address for no cluster": (["raw.txt", "--address", "x"], "--engine ray", "--address"),
    "a misspelt field": (["raw.jsonl", "--field", "txt"], "no record has text", "'text'"),
    "a misspelt second field": (
        ["raw.jsonl", "--pair-field", "englsh"],
        "no record has both 'text' and 'englsh'",
        "'english'",
    ),
    "a field in text": (["raw.txt", "--pair-field", "english"], "no fields", "raw.txt"),
    "no such conversion": (["raw.txt", "--convert", "t2x"], "unknown conversion", "'t2s'"),
    "no share": (["raw.txt", "--convert", "t2s:much"], "not a share", "s2t:0.2"),
    "a segmenter without its model": (["raw.txt", "--segmenter", "pkuseg"], "needs a model", "directory"),
    "a problem, strictly": (["broken.jsonl", "--strict"], "not a JSON object", "broken.jsonl, line 1"),
    "no Hanzi": (["english.txt"], "no document was kept of 2 records (few Hanzi: 2)", "english.txt, line 1"),
}


@pytest.mark.parametrize(("arguments", "what", "where"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_with_its_place_and_leaves_nothing(
    corpus: Command, tmp_path: Path, raw: Path, arguments: list[str], what: str, where: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.txt").touch()
    (tmp_path / "self.txt").symlink_to("self.txt")
    (tmp_path / "link.txt").symlink_to(raw)
    (tmp_path / "binary.txt").write_bytes(bytes(range(256)) * 50)
    write_lines(tmp_path / "words", ["云计算 5 n", "大 数 据 x y"])
    write_lines(tmp_path / "blocked", ["赌博", "色"])
    write_lines(tmp_path / "r.yaml", ["heldot: 0.1"])
    write_lines(tmp_path / "raw.jsonl", [json.dumps({"text": text, "english": "yes"}) for text in texts(3)])
    write_lines(tmp_path / "broken.jsonl", ["{", "[]"])
    write_lines(tmp_path / "english.txt", ["not a single one of them here", "and none in this line too"])
    status, said = corpus("clean", *arguments, "--out", "out")
    assert status == 2 and what in said and where in said
    assert left(tmp_path) == []


def test_places_that_cannot_be_written_are_named(corpus: Command, tmp_path: Path, raw: Path) -> None:
    (tmp_path / "out-taken").mkdir()
    (tmp_path / "out-taken" / "thesis.txt").touch()
    write_lines(tmp_path / "out-file", ["mine"])
    for out, what in {
        "out-taken": "exists and is not empty",
        "out-file": "this is a file",
        "out-file/below": "cannot write",
        ".": "not a name",
    }.items():
        status, said = corpus("clean", raw, "--out", out)
        assert status == 2 and what in said and out.partition("/")[0] in said
    status, said = corpus("clean", raw, "--out", "out-taken", "--replace")
    assert status == 2 and "it holds something else and is not replaced" in said
    status, said = corpus("clean", ".", "--out", "out")
    assert status == 2 and "would lie in the directory of raw text" in said and "--out out" in said
    assert left(tmp_path) == ["out-file", "out-taken"]
    assert [path.name for path in (tmp_path / "out-taken").iterdir()] == ["thesis.txt"]


def test_ray_that_is_not_installed(
    corpus: Command, tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    status, said = corpus("clean", raw, "--out", "out", "--engine", "ray")
    assert status == 2 and "'ray', which is not installed" in said and "erya[cluster]" in said
    assert left(tmp_path) == []


def test_names_line_ends_links_and_files_of_a_line(corpus: Command, tmp_path: Path) -> None:
    folder = tmp_path / "原 文 [1]"
    (folder / "空 格").mkdir(parents=True)
    wanted = texts(20)
    for number, text in enumerate(wanted):
        write_lines(folder / "空 格" / f"第 {number:02d} 篇*.txt", [text], end="\r\n")
    (folder / "空 格" / "loop").symlink_to(folder)
    (folder / "nowhere.txt").symlink_to("nothing")
    status, said = corpus("clean", folder, "--out", "out [1] 结果")
    assert status == 2 and "no such file" in said and str(folder / "nowhere.txt") in said
    (folder / "nowhere.txt").unlink()
    assert corpus("clean", folder, "--out", "out [1] 结果")[0] == 0
    assert read("out [1] 结果") == wanted
    assert sum(file["kept"] for file in report("out [1] 结果")["files"]) == 20


def test_a_corpus_of_one_document_many_times(corpus: Command, tmp_path: Path) -> None:
    raw = write_lines(tmp_path / "raw.txt", texts(1) * 50)
    status, said = corpus("clean", raw, "--out", "out")
    assert status == 0 and "no document was held out" in said and "--heldout" in said
    assert read("out") == texts(1) and report()["dropped"] == {"exact duplicate": 49}
