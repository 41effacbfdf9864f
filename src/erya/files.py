"""Files that are whole or absent, checksums, compressed streams, run locks; JSON that any reader takes."""

from __future__ import annotations

import bz2
import errno
import fcntl
import gzip
import hashlib
import io
import json
import lzma
import math
import os
import shutil
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import zstandard

from erya.errors import InputError, StorageError

COMPRESSED_SUFFIXES = (".gz", ".xz", ".bz2", ".zst")
# What reading a damaged or truncated file may raise.
READ_ERRORS = (EOFError, lzma.LZMAError, zlib.error, zstandard.ZstdError, OSError)


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Write a file aside and rename it into place once it is whole and on the disk.

    Raises:
        StorageError: the disk is full or refuses; nothing is left under `path` or beside it, nor a directory
            made for it.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    absent = _absent_parents(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(path)
        _sync_directory(path.parent)
    except OSError as error:
        raise storage_error(error, path) from error
    finally:
        with suppress(OSError):
            aside.unlink()
        _remove_empty(absent)


@contextmanager
def atomic_directory(path: Path, *, replace: bool = False, marker: str | None = None) -> Iterator[Path]:
    """Fill a directory aside and rename it into place once it is whole and on the disk.

    Args:
        path: the final name.
        replace: whether an existing directory of that name may be replaced.
        marker: a file that it must hold then, so that a slip of the pen replaces no other directory.
    Yields:
        The directory to fill.
    Raises:
        StorageError: `path` exists and may not be replaced, or the disk refuses; nothing half-written is
            left.
    """
    require_free(path, replace=replace, marker=marker)
    aside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    absent = _absent_parents(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path)
        aside.mkdir()
        yield aside
        publish_directory(aside, path, replace=replace, marker=marker)
    except OSError as error:
        raise storage_error(error, path) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        _remove_empty(absent)


def publish_directory(aside: Path, path: Path, *, replace: bool, marker: str | None) -> None:
    """Give a directory that is whole its final name, once everything in it is on the disk.

    Args:
        aside: the directory, on the same disk.
        path, replace, marker: as `atomic_directory` has them.
    Raises:
        StorageError: `path` exists and may not be replaced, or the disk refuses.
    """
    try:
        for file in aside.rglob("*"):
            if file.is_file():
                with file.open("rb") as stream:
                    os.fsync(stream.fileno())
        _sync_directory(aside)
        require_free(path, replace=replace, marker=marker)  # again: another run may have been quicker
        if path.exists():
            old = path.with_name(f".{path.name}.{os.getpid()}.old")
            path.rename(old)
            aside.rename(path)
            shutil.rmtree(old, ignore_errors=True)
        else:
            aside.rename(path)
        _sync_directory(path.parent)
        sweep(path)
    except OSError as error:
        raise storage_error(error, path) from error


def require_free(path: Path, *, replace: bool = False, marker: str | None = None) -> None:
    """Refuse what is no name, a file, and a directory with something in it that may not be replaced.

    Args:
        path, replace, marker: as `atomic_directory` has them, which asks this itself.
    Raises:
        StorageError: no directory can be made there.
    """
    if not path.name:
        what = "a directory is to be made, and this is not a name for one"
    elif path.exists() and not path.is_dir():
        what = "this is a file, a directory is to be made"
    elif not path.exists() or not any(path.iterdir()):
        return
    elif not replace:
        what = "the directory exists and is not empty"
    elif marker is not None and not (path / marker).is_file():
        what = f"the directory has no {marker}: it holds something else and is not replaced"
    else:
        return
    ours = path.is_dir() and marker is not None and (path / marker).is_file()
    raise StorageError(what, where=str(path), hint="choose another --out" + ", or --replace it" * ours)


def _absent_parents(path: Path) -> list[Path]:
    """The directories above `path` that are not there yet, the nearest first."""
    return [parent for parent in path.parents if not parent.exists()]


def _remove_empty(directories: list[Path]) -> None:
    """Remove what was made for nothing; a directory that holds something stays."""
    with suppress(OSError):
        for directory in directories:
            directory.rmdir()


def sweep(path: Path) -> None:
    """Remove what killed processes left beside `path`, and this one's own name.

    What was moved away to be replaced goes only when there is something in its place.
    """
    endings = (".partial", ".old") if path.exists() else (".partial",)
    for left in path.parent.glob(f".{path.name}.*"):
        pid = left.name.split(".")[-2]
        ended = pid.isdecimal() and (int(pid) == os.getpid() or not _is_running(int(pid)))
        if left.name.endswith(endings) and ended and left.is_dir():
            shutil.rmtree(left, ignore_errors=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def storage_error(error: OSError, path: Path) -> StorageError:
    """Say in a user's words why the disk refused to write `path`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError(
            "the disk is full; nothing half-written was left",
            where=str(path),
            hint="free space, then run again",
        )
    return StorageError(f"cannot write: {error.strerror or error}", where=str(path))


def to_json(value: Any, *, indent: int | None = None) -> str:
    """Plain values as JSON, Hanzi as they are. NaN and infinities, which are no JSON, become null."""
    try:
        return json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), ensure_ascii=False, indent=indent, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list | tuple) else value


def sha256_of(path: Path) -> str:
    """The hexadecimal sha256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def open_binary(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading, decompressing `.gz .xz .bz2 .zst` on the way.

    Raises:
        InputError: the file is missing or its compression is damaged.
    """
    with open_measured(path) as (stream, _):
        yield stream


@contextmanager
def open_measured(path: Path) -> Iterator[tuple[IO[bytes], BinaryIO]]:
    """As `open_binary`, with the file itself beside the stream: its `tell()` over its size is the progress.

    Raises:
        InputError: the file is missing or its compression is damaged.
    """
    require_file(path)
    try:
        with path.open("rb") as file, decompressed(file, path.suffix) as stream:
            yield stream, file
    except READ_ERRORS as error:
        raise InputError(f"cannot read the file: {error}", where=str(path)) from error


def require_file(path: Path) -> Path:
    """`path` if it is a file; otherwise an InputError that says what is there instead."""
    if path.is_dir():
        raise InputError("this is a directory, a file is wanted", where=str(path))
    if not path.exists():
        raise InputError("no such file", where=str(path))
    return path


def decompressed(file: IO[bytes], suffix: str) -> IO[bytes]:
    """A stream of what is compressed in `file`; `file` itself if the suffix names no compression.

    Reading from it raises one of `READ_ERRORS` where the file is damaged or cut short.
    """
    if suffix == ".gz":
        return cast(IO[bytes], gzip.open(file, "rb"))
    if suffix == ".xz":
        return cast(IO[bytes], lzma.open(file, "rb"))
    if suffix == ".bz2":
        return cast(IO[bytes], bz2.open(file, "rb"))
    if suffix == ".zst":
        return io.BufferedReader(_ZstdStream(file), buffer_size=1 << 17)
    return file


class _ZstdStream(io.RawIOBase):
    """All frames of a `.zst` file; unlike zstandard's own reader it notices when the last is cut short."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._ready, self._compressed = file, b"", b""
        self._frame: Any = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready and self._decompress_more():
            pass
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size

    def _decompress_more(self) -> bool:
        """Read on; False at the end of the file."""
        self._compressed = self._compressed or self._file.read(1 << 16)
        if not self._compressed:
            if self._frame is not None:
                raise EOFError("the compressed file is cut short")
            return False
        self._frame = self._frame or zstandard.ZstdDecompressor().decompressobj()
        self._ready, self._compressed = self._frame.decompress(self._compressed), b""
        if self._frame.eof:
            self._compressed, self._frame = self._frame.unused_data, None
        return True


@contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Hold `directory` for this process, so that two runs never write into one.

    The lock is the kernel's: it goes with the process, however that ends.

    Raises:
        StorageError: another process holds it, or it cannot be made.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        opened = (directory / ".lock").open("w")
    except OSError as error:
        raise storage_error(error, directory) from error
    with opened as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StorageError(
                "another process is writing into this directory",
                where=str(directory),
                hint="wait for it to end, or choose another --out",
            ) from None
        yield


def is_held(directory: Path) -> bool:
    """Whether a process holds `directory`, as `exclusive` does."""
    try:
        with (directory / ".lock").open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # there is none, or it is not ours to look at
        return False
    return False


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
