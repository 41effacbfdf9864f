"""The whole job: counts add up, workers change nothing, nothing is left half-written."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from erya.corpus import read
from erya.corpus.clean import clean_corpus
from erya.corpus.stages import StageOptions
from erya.data.documents import read_documents, read_manifest
from erya.errors import InputError, StorageError

OPTIONS = StageOptions(heldout=0.2)


@pytest.fixture
def raw(tmp_path):
    path = tmp_path / "raw.jsonl"
    lines = [json.dumps({"text": f"第{n % 80}篇：我们的国家。"}, ensure_ascii=False) for n in range(100)]
    path.write_text("\n".join([*lines, "broken", '{"text": ""}']), encoding="utf-8")
    return path


def files_of(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.suffix == ".parquet"}


def test_counts_add_up(raw, tmp_path):
    out = tmp_path / "out"
    ticks = []
    report = clean_corpus([raw], out, OPTIONS, workers=1, on_progress=lambda *tick: ticks.append(tick))
    assert report.records == 102 and report.kept == 80
    assert dict(report.dropped) == {"duplicate": 20, "not a JSON object": 1, "too short": 1}
    assert report.kept + sum(report.dropped.values()) == report.records
    assert report.problems == [f"{raw}, line 101: not a JSON object"]
    assert 0 < report.heldout < 40
    found = list(read_documents(out))
    assert len(found) == 80 and sum(len(item.text) for item in found) == report.characters
    assert json.loads((out / "report.json").read_text()) == read_manifest(out).report == report.as_dict()
    assert ticks[-1] == (raw.stat().st_size, raw.stat().st_size, raw.stat().st_size)


def test_workers_change_nothing(raw, tmp_path, monkeypatch):
    monkeypatch.setattr(read, "BLOCK_BYTES", 500)
    for workers in (1, 2):
        clean_corpus([raw], tmp_path / str(workers), OPTIONS, workers=workers)
    assert files_of(tmp_path / "1") == files_of(tmp_path / "2")


def test_order_does_not_move_the_split(raw, tmp_path):
    turned = tmp_path / "turned.jsonl"
    turned.write_text("\n".join(reversed(raw.read_text().split("\n"))))
    split = {}
    for path in (raw, turned):
        clean_corpus([path], tmp_path / path.stem, OPTIONS, workers=1)
        split[path] = {item.text: item.split for item in read_documents(tmp_path / path.stem)}
    assert split[raw] == split[turned]


def test_duplicates_across_files_are_dropped(raw, tmp_path):
    report = clean_corpus([raw, raw], tmp_path / "out", OPTIONS, workers=1)
    assert report.kept == 80 and report.dropped["duplicate"] == 120


def test_bad_input_leaves_nothing(raw, tmp_path):
    out = tmp_path / "sub" / "out"
    empty = tmp_path / "short.txt"
    empty.write_text("短\n", encoding="utf-8")
    with pytest.raises(InputError, match="'txet'") as caught:
        clean_corpus([raw], out, StageOptions(field="txet"))
    assert "text" in str(caught.value.hint)
    with pytest.raises(InputError, match="not a JSON object") as caught:
        clean_corpus([raw], out, OPTIONS, strict=True)
    assert caught.value.where == f"{raw}, line 101"
    with pytest.raises(InputError, match=r"no document was kept of 1 records \(too short: 1\)"):
        clean_corpus([empty], out, OPTIONS)
    with pytest.raises(InputError, match="no such file"):
        clean_corpus([raw, tmp_path / "missing.txt"], out, OPTIONS)
    assert not out.exists() and (not out.parent.exists() or not list(out.parent.iterdir()))


def test_an_existing_directory_is_not_overwritten(raw, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "precious").write_text("x")
    with pytest.raises(StorageError, match="exists"):
        clean_corpus([raw], out, OPTIONS)
    with pytest.raises(StorageError, match="something else"):
        clean_corpus([raw], out, OPTIONS, replace=True)
    assert (out / "precious").read_text() == "x"
    (out / "documents.json").touch()
    clean_corpus([raw], out, OPTIONS, replace=True)
    assert not (out / "precious").exists() and read_manifest(out).num_documents() == 80


JOB = """
import sys
from pathlib import Path
from erya.corpus.clean import clean_corpus
from erya.corpus.stages import StageOptions
if __name__ == "__main__":
    tell = lambda *tick: print("going", flush=True)
    try:
        clean_corpus([Path(sys.argv[1])], Path(sys.argv[2]), StageOptions(), workers=2, on_progress=tell)
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_kill_leaves_no_documents_directory(tmp_path, how):
    raw = tmp_path / "raw.txt"
    raw.write_text("".join(f"第{n}行，这是我们的国家的一行字。\n" for n in range(400_000)), encoding="utf-8")
    script, out = tmp_path / "job.py", tmp_path / "out" / "documents"
    script.write_text(JOB)
    command = [sys.executable, str(script), str(raw), str(out)]
    job = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    assert job.stdout is not None and job.stdout.readline() == b"going\n"
    workers = _children(job.pid)
    assert len(workers) >= 2
    # As a terminal's Ctrl-C does, to the whole group; a kill only to the job itself.
    os.killpg(job.pid, how) if how == signal.SIGINT else os.kill(job.pid, how)
    status = job.wait(timeout=20)
    job.stdout.close()
    assert status == (130 if how == signal.SIGINT else -signal.SIGKILL)
    assert not out.exists()
    assert how == signal.SIGKILL or not list(tmp_path.glob("out/**/*"))
    deadline = time.monotonic() + 10
    while any(_is_alive(worker) for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(_is_alive(worker) for worker in workers)


def _children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_damage_in_utf_16_is_counted(tmp_path):
    path = tmp_path / "raw.txt"
    text = (
        "".join(f"第{n}行：我们的国家。\n" for n in range(20)) + "一半\ud83d的表情也算。\n最后一行有半个字符"
    )
    path.write_bytes(text.encode("utf-16-le", "surrogatepass") + b"\x00")
    report = clean_corpus([path], tmp_path / "out", OPTIONS, workers=1)
    assert report.damaged == 2 and report.kept == 22
    assert sum("\ufffd" in item.text for item in read_documents(tmp_path / "out")) == 2
