"""Opening raw files where they lie: on the disk, or behind a URL that fsspec knows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from erya.errors import InputError
from erya.files import READ_ERRORS, decompressed
from erya.runtime import require

_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*(?:://|::)")
_LOCAL_URL = re.compile(r"(?:file|local)://", re.IGNORECASE)
_PIECE_BYTES = 1 << 17
# What tells one state of a remote file from the next, the best first; each protocol has its own names.
_STAMPS = ("ETag", "etag", "md5Hash", "checksum", "LastModified", "last_modified", "mtime", "created", "uid")


@dataclass(frozen=True, slots=True)
class Stored:
    """A raw file as it lies in its place.

    Attributes:
        identity: the same for every name that leads to this file.
        size: in bytes.
        stamp: changes when the file does.
    """

    identity: str
    size: int
    stamp: str


def is_url(path: str) -> bool:
    """Whether `path` is for fsspec."""
    return _URL.match(path) is not None


def without_local_protocol(path: str) -> str:
    """`path`, but of `file://...` the path alone."""
    return _LOCAL_URL.sub("", path, count=1)


def filesystem(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL, and what the file is called there.

    Raises:
        InputError: the protocol is unknown, or the package that speaks it is missing.
        MissingExtraError: fsspec is not installed.
    """
    require("fsspec")
    try:
        system, name = require("fsspec.core").url_to_fs(url)
    except ImportError as error:
        hint = "install the package that speaks this protocol, or fetch the file first"
        raise InputError(
            f"cannot open this kind of URL: {_first_line(error)}", where=url, hint=hint
        ) from None
    except ValueError as error:
        hint = "a path, or a URL such as file:// s3:// gs:// https:// hdfs://"
        raise InputError(
            f"not a URL that fsspec can open: {_first_line(error)}", where=url, hint=hint
        ) from None
    except Exception as error:
        raise _unreachable(error, url) from error
    return system, name


def look_up(path: str) -> Stored:
    """Find a file without opening it.

    Raises:
        InputError: there is none, or it is a directory or no regular file.
    """
    if is_url(path):
        return _look_up_url(path)
    file = Path(path)
    if not file.exists():
        raise InputError("no such file", where=path)
    if not file.is_file():
        raise InputError("not a regular file: it is read more than once", where=path, hint="save it first")
    stat = file.stat()
    return Stored(str(file.resolve()), stat.st_size, f"{stat.st_size}-{stat.st_mtime_ns}")


def _look_up_url(url: str) -> Stored:
    system, name = filesystem(url)
    try:
        info = system.info(name)
        identity = url if "::" in url else system.unstrip_protocol(name)
    except FileNotFoundError:
        raise InputError("no such file", where=url) from None
    except Exception as error:
        raise _unreachable(error, url) from error
    size = int(info.get("size") or 0)
    stamp = next((str(info[key]) for key in _STAMPS if info.get(key)), "")
    return Stored(str(identity), size, f"{size}-{stamp}")


@contextmanager
def open_stored(path: str) -> Iterator[IO[bytes]]:
    """Open a file as it is stored.

    Raises:
        InputError: it cannot be opened, or reading from it fails.
    """
    if not is_url(path):
        try:
            with Path(path).open("rb") as stream:
                yield stream
        except READ_ERRORS as error:
            raise _unreadable(error, path) from error
        return
    system, name = filesystem(path)
    try:
        opened = system.open(name, "rb")
    except Exception as error:
        raise _unreachable(error, path) from error
    with opened:
        yield opened


def read_pieces(path: str, stream: IO[bytes]) -> Iterator[bytes]:
    """What a stored file holds, decompressed as its name says, in pieces of at most 128 KiB.

    Raises:
        InputError: reading fails; the message says how far it came.
    """
    done, line = 0, 1
    source: IO[bytes] | None = None
    while True:
        try:
            source = source or decompressed(stream, PurePosixPath(path).suffix.lower())
            piece = source.read(_PIECE_BYTES)
        except Exception as error:
            # Behind a URL there may be any library, with errors of its own.
            if not is_url(path) and not isinstance(error, READ_ERRORS):
                raise
            raise InputError(
                f"cannot read the file beyond {done:,} bytes of text: {_first_line(error)}",
                where=f"{path}, line {line}",
                hint="it is cut short or damaged: fetch it again, or leave it out",
            ) from error
        if not piece:
            return
        yield piece
        done, line = done + len(piece), line + piece.count(b"\n")


def _unreachable(error: Exception, url: str) -> InputError:
    return InputError(f"cannot open the URL: {_first_line(error)}", where=url)


def _unreadable(error: Exception, path: str) -> InputError:
    return InputError(f"cannot read the file: {_first_line(error)}", where=path)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
