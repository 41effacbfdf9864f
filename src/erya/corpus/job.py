"""A job that may be killed at any point: the next run of the same command goes on where it stopped.

All work lies in `OUT.unfinished` beside the result until that is whole. It is done in units, each of which
writes its files under their final names only when they are whole, and last of all a summary in JSON: a unit
is done if its summary is there. What a unit writes depends on its input alone, so the outcome of a job that
was killed twenty times is, byte for byte, that of one that was not.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from erya.errors import StorageError
from erya.files import atomic_write, exclusive, publish_directory, require_free

UNFINISHED = ".unfinished"
IDENTITY = "job.json"


class Job:
    """One restartable job. Made by `open_job`.

    Attributes:
        directory: where its units write; gone when the job has ended.
        result: what becomes the directory the user asked for.
    """

    def __init__(self, out: Path, directory: Path, *, replace: bool, marker: str) -> None:
        self._out, self._replace, self._marker = out, replace, marker
        self.directory = directory
        self.result = directory / "result"

    def folder(self, name: str) -> Path:
        """A directory of the job, made when it is not there."""
        path = self.directory / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def publish(self) -> None:
        """Give the result its final name, and remove all else.

        Raises:
            StorageError: the place was taken in the meantime, or the disk refuses.
        """
        publish_directory(self.result, self._out, replace=self._replace, marker=self._marker)
        self.discard()

    def discard(self) -> None:
        """Throw all work away: the job ended, or can come to nothing."""
        shutil.rmtree(self.directory, ignore_errors=True)


@contextmanager
def open_job(
    out: Path, *, identity: Mapping[str, Any], marker: str, replace: bool = False, restart: bool = False
) -> Iterator[Job]:
    """Begin a job, or go on with it.

    Args:
        out: the directory to make.
        identity: the options that the outcome depends on, as plain JSON values.
        marker: the file by which a directory is known to be one of this kind.
        replace: whether `out` may be replaced if it has the marker.
        restart: throw away what an earlier run left unfinished.
    Raises:
        StorageError: `out` is taken, another process works on it, or what an earlier run left was made with
            other options (they are named).
    """
    require_free(out, replace=replace, marker=marker)
    directory = out.with_name(out.name + UNFINISHED)
    with exclusive(directory):
        if restart:
            _empty(directory)
        _require_same(directory, json.loads(json.dumps(identity)))
        for partial in directory.rglob(".*.partial"):
            with suppress(OSError):
                partial.unlink()
        job = Job(out, directory, replace=replace, marker=marker)
        job.folder(job.result.name)
        yield job


def read_summary(path: Path) -> dict[str, Any] | None:
    """What a unit wrote when it was done; None if it is not."""
    try:
        summary: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    return summary


def write_summary(path: Path, summary: Mapping[str, Any]) -> None:
    """Say that a unit is done; its other files must be in their places."""
    with atomic_write(path) as stream:
        stream.write(json.dumps(summary, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def _require_same(directory: Path, identity: dict[str, Any]) -> None:
    before = read_summary(directory / IDENTITY)
    if before is None:
        _empty(directory)
        write_summary(directory / IDENTITY, identity)
        return
    changed = [name for name in identity | before if identity.get(name) != before.get(name)]
    if changed:
        raise StorageError(
            f"an unfinished run with other options is in the way (changed: {', '.join(changed)})",
            where=str(directory),
            hint="give the same options to go on with it, or --restart to throw it away",
        )


def _empty(directory: Path) -> None:
    """Remove everything but the lock."""
    for path in directory.iterdir():
        if path.name == ".lock":
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
