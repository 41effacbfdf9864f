import errno
import gzip
import json
import os
import subprocess
from pathlib import Path

import pytest

from erya.errors import InputError, StorageError
from erya.files import atomic_directory, atomic_write, exclusive, open_binary, sha256_of, to_json


def test_a_file_is_whole_or_absent(tmp_path):
    path = tmp_path / "a" / "file"
    with pytest.raises(RuntimeError), atomic_write(path) as stream:
        stream.write(b"half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with atomic_write(path) as stream:
        stream.write(b"whole")
    assert path.read_bytes() == b"whole"
    assert len(sha256_of(path)) == 64


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(StorageError, match="the disk is full"), atomic_write(path) as stream:
        stream.write(b"new")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_is_whole_or_absent(tmp_path):
    path = tmp_path / "out"
    for inner in (path, path / "a" / "b"):
        with pytest.raises(RuntimeError), atomic_directory(inner) as aside:
            (aside / "half").write_text("x")
            raise RuntimeError
        assert list(tmp_path.iterdir()) == []
    with atomic_directory(path) as aside:
        (aside / "whole").write_text("x")
    assert [file.name for file in path.iterdir()] == ["whole"]


def test_a_directory_in_use_is_replaced_only_when_told(tmp_path):
    path = tmp_path / "out"
    path.mkdir()
    (path / "old").write_text("x")
    with pytest.raises(StorageError, match="not empty"), atomic_directory(path):
        pass
    with atomic_directory(path, replace=True) as aside:
        (aside / "new").write_text("x")
    assert [file.name for file in path.iterdir()] == ["new"]
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


def test_only_a_directory_of_its_kind_is_replaced(tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("years of work")
    with (
        pytest.raises(StorageError, match=r"has no made\.json"),
        atomic_directory(other, replace=True, marker="made.json"),
    ):
        pass
    assert (other / "thesis.txt").exists()
    for _ in range(2):
        with atomic_directory(tmp_path / "ours", replace=True, marker="made.json") as aside:
            (aside / "made.json").touch()
    with pytest.raises(StorageError, match="this is a file"), atomic_directory(other / "thesis.txt"):
        pass
    for replace in (False, True):
        with pytest.raises(StorageError, match="not a name"), atomic_directory(Path(), replace=replace):
            pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "ours"]


def test_a_quicker_run_is_not_overwritten(tmp_path):
    path = tmp_path / "out"
    with pytest.raises(StorageError, match="not empty"), atomic_directory(path) as aside:
        (aside / "mine").write_text("x")
        path.mkdir()
        (path / "theirs").write_text("x")
    assert [file.name for file in path.iterdir()] == ["theirs"]


def test_what_a_killed_process_left_is_swept(tmp_path):
    process = subprocess.Popen(["true"])
    process.wait()
    left, living = tmp_path / f".out.{process.pid}.partial", tmp_path / f".out.{os.getppid()}.partial"
    replaced = tmp_path / f".out.{process.pid}.old"
    for directory in (left, living, replaced):
        directory.mkdir()
    with atomic_directory(tmp_path / "out") as aside:
        assert replaced.exists(), "nothing stands in its place yet"
        (aside / "whole").write_text("x")
    assert not left.exists()
    assert living.exists()
    with atomic_directory(tmp_path / "out", replace=True):
        assert not replaced.exists()


def test_a_file_where_a_directory_is_wanted_is_the_users_mistake(tmp_path):
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "inner"):
        with pytest.raises(StorageError, match="cannot write"), exclusive(path):
            pass
        with pytest.raises(StorageError, match="cannot write"), atomic_write(path / "report.html"):
            pass
        with pytest.raises(StorageError, match="cannot write"), atomic_directory(path / "model"):
            pass


def test_one_directory_is_for_one_process(tmp_path):
    with exclusive(tmp_path), pytest.raises(StorageError, match="another process"), exclusive(tmp_path):
        pass
    with exclusive(tmp_path):
        pass


def test_damaged_missing_and_wrong_files_are_the_users_mistake(tmp_path):
    damaged = tmp_path / "text.gz"
    damaged.write_bytes(gzip.compress(b"some text" * 1000)[:-20])
    with pytest.raises(InputError, match="cannot read"), open_binary(damaged) as stream:
        stream.read()
    with pytest.raises(InputError, match="no such file"), open_binary(tmp_path / "none"):
        pass
    with pytest.raises(InputError, match="directory"), open_binary(tmp_path):
        pass


def test_what_is_not_finite_is_null():
    nan, infinity = float("nan"), float("inf")
    value = {"好": [nan, 0.5, -infinity], "scores": {"a": (infinity, 1)}, "text": "nan"}
    expected = {"好": [None, 0.5, None], "scores": {"a": [None, 1]}, "text": "nan"}
    assert json.loads(to_json(value), parse_constant=pytest.fail) == expected
    assert to_json({"好": 1}) == '{"好": 1}' and to_json({"a": nan}, indent=1) == '{\n "a": null\n}'
