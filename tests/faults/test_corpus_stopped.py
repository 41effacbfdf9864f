"""Corpus jobs that are stopped by Ctrl-C, the system or a full disk: what they say, and how they go on."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import toy_tokenizing  # noqa: F401  # finds what follows
from corpus_commands import Command, left, read, report, stop_at, texts, write_lines
from marked_documents import write_tokenizer

from erya.corpus import clean as cleaning
from erya.corpus import tokenize as tokenising
from erya.corpus import unfinished
from erya.corpus.job import Job
from erya.files import exclusive, publish_directory, sha256_of


@pytest.mark.usefixtures("small_blocks")
def test_ctrl_c_keeps_the_work_and_says_where(
    corpus: Command, tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_at(patch, "find_duplicates")
        status, said = corpus("clean", raw, "--out", "out")
    assert status == 130 and "kept in out.unfinished: the same command goes on" in said
    with monkeypatch.context() as patch:
        stop_at(patch, "read_units", unfinished)  # nothing is read again
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
