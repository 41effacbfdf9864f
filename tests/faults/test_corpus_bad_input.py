"""Bad input and faults met by `erya corpus`, as its user sees them."""

from __future__ import annotations

import gzip
import json
import lzma
import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import toy_tokenizing  # noqa: F401  # finds what follows
import zstandard
from marked_documents import write_tokenizer

from erya.cli.main import run
from erya.corpus import clean as cleaning
from erya.corpus import tokenize as tokenising
from erya.corpus.job import Job
from erya.corpus.read import blocks
from erya.data.documents import read_documents
from erya.files import exclusive, publish_directory, sha256_of

Command = Callable[..., tuple[int, str]]
HANZI = "我们国家今天气很好北京上海经济发展图书馆开放时间孩子学校老师电影足球比赛城市生活工作研究历史问题技术"


def texts(count: int, *, seed: int = 1) -> list[str]:
    """Documents of 61 characters, none like another, in order."""
    rng = random.Random(seed)
    halves = ["".join(rng.choices(HANZI, k=30)) for _ in range(2 * count)]
    return sorted(f"{first}，{second}" for first, second in zip(halves[::2], halves[1::2], strict=True))


def write_lines(path: Path, lines: list[str], *, end: str = "\n") -> Path:
    path.write_bytes("".join(line + end for line in lines).encode())
    return path


@pytest.fixture
def corpus(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`erya corpus ...` in an empty directory, in this process: exit status, and what it said on stderr."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments: object) -> tuple[int, str]:
        capsys.readouterr()
        status = run(["corpus", *map(str, arguments)])
        said = capsys.readouterr().err
        assert "Traceback" not in said
        return status, said

    return command


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return write_lines(tmp_path / "raw.txt", texts(300))


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """`raw` is a dozen blocks and a few volumes."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 5000)
    monkeypatch.setattr(cleaning, "_SMALLEST_VOLUME", 5000)


def left(tmp_path: Path) -> list[str]:
    """What the commands left in the directory."""
    return sorted(path.name for path in tmp_path.iterdir() if path.name.lstrip(".").startswith("out"))


def read(directory: str) -> list[str]:
    """The documents, in the order of their texts."""
    return sorted(document.text for document in read_documents(Path(directory)))


def report(directory: str = "out") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(directory) / "report.json").read_bytes())
    return found


def stop_at(patch: pytest.MonkeyPatch, step: str, module: ModuleType = cleaning) -> None:
    """Ctrl-C comes when this step would begin."""

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    patch.setattr(module, step, stop)


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
    assert len(list(Path("out.unfinished").glob("blocks/0000000-*/0*.json"))) > 5


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
    with (tmp_path / "raw.txt").open("w", encoding="utf-8") as stream:
        stream.write(texts(1)[0] + "\n")
        for _ in range(200):
            stream.write("好" * 333_333)
        stream.write("\n" + texts(2)[1] + "\n")
    child = "import resource, sys; from erya.cli.main import run; run(sys.argv[1:]);"
    child += "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)"
    command = [sys.executable, "-c", child, "corpus", "clean", "raw.txt", "--out", "out", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert int(done.stdout.splitlines()[-1]) < 400
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
    wanted = texts(60)
    for number, text in enumerate(wanted):
        write_lines(folder / "空 格" / f"第 {number:02d} 篇*.txt", [text], end="\r\n")
    (folder / "空 格" / "loop").symlink_to(folder)
    (folder / "nowhere.txt").symlink_to("nothing")
    status, said = corpus("clean", folder, "--out", "out [1] 结果")
    assert status == 2 and "no such file" in said and str(folder / "nowhere.txt") in said
    (folder / "nowhere.txt").unlink()
    assert corpus("clean", folder, "--out", "out [1] 结果")[0] == 0
    assert read("out [1] 结果") == wanted
    assert sum(file["kept"] for file in report("out [1] 结果")["files"]) == 60


def test_a_corpus_of_one_document_many_times(corpus: Command, tmp_path: Path) -> None:
    raw = write_lines(tmp_path / "raw.txt", texts(1) * 50)
    status, said = corpus("clean", raw, "--out", "out")
    assert status == 0 and "no document was held out" in said and "--heldout" in said
    assert read("out") == texts(1) and report()["dropped"] == {"exact duplicate": 49}


@pytest.mark.usefixtures("small_blocks")
def test_ctrl_c_keeps_the_work_and_says_where(
    corpus: Command, tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_at(monkeypatch, "find_duplicates")
    status, said = corpus("clean", raw, "--out", "out")
    assert status == 130 and "kept in out.unfinished: the same command goes on" in said
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    # Were the file read again, it would be found in the places that the usual blocks have.
    assert corpus("clean", raw, "--out", "out")[0] == 0
    assert read("out") == texts(300)


@pytest.mark.usefixtures("small_blocks")
def test_unfinished_work_is_for_the_same_options_and_one_process(
    corpus: Command, tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_at(patch, "find_repeated_lines")
        assert corpus("clean", raw, "--out", "out")[0] == 130
    work = Path("out.unfinished")
    with exclusive(work):
        status, said = corpus("clean", raw, "--out", "out")
        assert status == 2 and "another process is writing" in said
    other = ["--heldout", "0.2", "--min-characters", "9"]
    status, said = corpus("clean", raw, "--out", "out", *other)
    assert status == 2 and "changed: filters.min_characters, heldout" in said and "--restart" in said
    assert corpus("clean", raw, "--out", "out", "--restart", *other)[0] == 0
    assert left(tmp_path) == ["out"] and report()["heldout"] > 20


@pytest.mark.usefixtures("small_blocks")
def test_files_that_change_or_vanish_while_a_job_is_unfinished(
    corpus: Command, tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = write_lines(tmp_path / "second.txt", texts(40, seed=2))
    with monkeypatch.context() as patch:
        stop_at(patch, "_finish")  # all documents are written, and wrong ones after what follows
        assert corpus("clean", raw, second, "--out", "out")[0] == 130
    second.rename(tmp_path / "away")
    status, said = corpus("clean", raw, second, "--out", "out")
    assert status == 2 and "no such file" in said and str(second) in said
    write_lines(second, texts(30, seed=4))
    with monkeypatch.context() as patch:
        stop_at(patch, "_finish")
        assert corpus("clean", raw, second, "--out", "out")[0] == 130
    assert corpus("clean", raw, "--out", "out")[0] == 0
    assert read("out") == texts(300) and not list(Path("out").glob(".*"))


@pytest.mark.usefixtures("small_blocks")
def test_a_damaged_file_of_unfinished_work_is_named(
    corpus: Command, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_at(patch, "find_repeated_lines")
        assert corpus("clean", raw, "--out", "out")[0] == 130
    for pattern in ("blocks/*/000003.texts.parquet", "blocks/*/000002.json"):
        path = next(Path("out.unfinished").glob(pattern))
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        status, said = corpus("clean", raw, "--out", "out")
        assert status == 2 and "damaged" in said and path.name in said and "--restart" in said
        path.write_bytes(whole)
    assert corpus("clean", raw, "--out", "out")[0] == 0


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(
    ("step", "allowed"),
    [
        ("BlockStage", 1500),
        ("find_duplicates", 30_000),
        ("find_repeated_lines", 9_000),
        ("VolumeStage", 1500),
        ("_finish", 100),
    ],
)
def test_a_disk_that_fills_leaves_what_goes_on(
    corpus: Command, tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch, step: str, allowed: int
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    real = getattr(cleaning, step)

    def fill(*arguments: Any, **options: Any) -> Any:
        # The kernel refuses to write further, as a full disk does.
        resource.setrlimit(resource.RLIMIT_FSIZE, (allowed, hard))
        return real(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(cleaning, step, fill)
        try:
            status, said = corpus("clean", raw, "--out", "out")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert status == 2 and "File too large" in said and "where: out.unfinished" in said
    assert left(tmp_path) == ["out.unfinished"]
    assert corpus("clean", raw, "--out", "out")[0] == 0
    assert read("out") == texts(300) and left(tmp_path) == ["out"]


@pytest.mark.usefixtures("small_blocks")
def test_a_worker_that_the_system_kills(
    corpus: Command, tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill_one() -> None:
        while not multiprocessing.active_children():
            time.sleep(0.001)
        os.kill(multiprocessing.active_children()[0].pid or 0, signal.SIGKILL)

    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    status, said = corpus("clean", raw, "--out", "out", "--workers", "2")
    killer.join()
    assert status == 2 and "a worker process died" in said and "the same command goes on" in said
    assert not Path("out").exists()
    assert corpus("clean", raw, "--out", "out")[0] == 0 and read("out") == texts(300)


def test_ctrl_c_reaches_workers_that_are_just_starting(tmp_path: Path, raw: Path) -> None:
    erya = [sys.executable, "-c", "from erya.cli.main import main; main()"]
    command = [*erya, "corpus", "clean", str(raw), "--out", "out", "--workers", "2"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    while process.poll() is None and not list(tmp_path.glob("out.unfinished/blocks/*")):
        time.sleep(0.001)
    time.sleep(0.2)  # the workers are importing what they need
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130, said
    assert "Traceback" not in said and "out.unfinished: the same command goes on" in said


def killed_while_tidying(patch: pytest.MonkeyPatch) -> None:
    """From now on jobs end when their result has its name, and leave their work behind."""

    def publish(job: Job) -> None:
        publish_directory(job.result, job._out, replace=job._replace, marker=job._marker)
        raise KeyboardInterrupt

    patch.setattr(Job, "publish", publish)


def test_a_kill_after_the_result_has_its_name(
    corpus: Command, tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        killed_while_tidying(patch)
        assert corpus("clean", raw, "--out", "out")[0] == 130
    assert left(tmp_path) == ["out", "out.unfinished"]
    status, said = corpus("clean", raw, "--out", "out")
    assert status == 2 and "the directory is whole" in said and "--replace" in said
    assert left(tmp_path) == ["out"] and read("out") == texts(300)
    # Replacing what is there must not take the summaries of units whose files are gone for work that is done.
    with monkeypatch.context() as patch:
        killed_while_tidying(patch)
        assert corpus("clean", raw, "--out", "out", "--replace")[0] == 130
    assert corpus("clean", raw, "--out", "out", "--replace")[0] == 0
    assert left(tmp_path) == ["out"] and read("out") == texts(300)


def test_a_build_goes_on_in_the_half_it_was_stopped_in(
    corpus: Command, tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tokenizer(tmp_path / "tokenizer")
    build = ["build", raw, "--tokenizer", "tokenizer", "--out", "out", "--set", "heldout=0.1"]
    for half, step in ((cleaning, "find_duplicates"), (tokenising, "_finish")):
        with monkeypatch.context() as patch:
            stop_at(patch, step, half)
            status, said = corpus(*build)
            assert status == 130 and "kept in out.unfinished: the same command goes on" in said
            assert not Path("out/shards").exists()
    made = sha256_of(Path("out/documents/documents.json"))
    status, said = corpus(*build[:-1], "heldout=0.2")
    assert status == 2 and "other options" in said and "--restart" in said
    status, said = corpus(*build)
    assert status == 0 and "the documents of a stopped run are whole" in said
    assert sha256_of(Path("out/documents/documents.json")) == made
    assert left(tmp_path) == ["out"] and len(list(Path("out").iterdir())) == 2


def test_a_build_takes_no_older_documents_for_its_own(
    corpus: Command, tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tokenizer(tmp_path / "tokenizer")
    build = ["build", raw, "--tokenizer", "tokenizer", "--out", "out"]
    assert corpus(*build)[0] == 0
    write_lines(raw, texts(50, seed=9))
    with monkeypatch.context() as patch:
        stop_at(patch, "find_duplicates")
        assert corpus(*build, "--replace")[0] == 130
    assert read("out/documents") == texts(300), "what was there stays until the new is whole"
    assert corpus(*build, "--replace")[0] == 0
    assert read("out/documents") == texts(50, seed=9)
    with monkeypatch.context() as patch:
        stop_at(patch, "_finish", tokenising)
        assert corpus(*build, "--replace", "--set", "heldout=0.2")[0] == 130
    assert corpus(*build, "--replace", "--restart")[0] == 0
    assert left(tmp_path) == ["out"] and report("out/documents")["options"]["heldout"] == 0.01


def test_a_build_that_cannot_begin_leaves_nothing(corpus: Command, tmp_path: Path, raw: Path) -> None:
    write_tokenizer(tmp_path / "tokenizer")
    english = write_lines(tmp_path / "english.txt", ["not a single one of them is to be found here"])
    for file, what in ((tmp_path / "nothing.txt", "no such file"), (english, "no document was kept")):
        status, said = corpus("build", file, "--tokenizer", "tokenizer", "--out", "out")
        assert status == 2 and what in said and left(tmp_path) == []
    status, said = corpus("build", raw, "--tokenizer", "nothing", "--out", "out")
    assert status == 2 and "nothing" in said and left(tmp_path) == []
