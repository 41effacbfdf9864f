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
from erya.files import atomic_write, exclusive, publish_directory, require_free, sweep

UNFINISHED = ".unfinished"
IDENTITY = "job.json"
_RESULT, _LOCK = "result", ".lock"


class Job:
    """One restartable job. Made by `open_job`.

    Attributes:
        directory: where its units write; gone when the job has ended.
        result: what becomes the directory the user asked for.
    """

    def __init__(self, out: Path, directory: Path, *, replace: bool, marker: str) -> None:
        self._out, self._replace, self._marker = out, replace, marker
        self.directory = directory
        self.result = directory / _RESULT

    def folder(self, name: str) -> Path:
        """A directory of the job, made when it is not there."""
        path = self.directory / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def clear(self, name: str) -> None:
        """Empty a directory of the job; the directory stays."""
        for path in self.folder(name).iterdir():
            _remove(path)

    def publish(self) -> None:
        """Give the result its final name, and remove all else.

        Raises:
            StorageError: the place was taken in the meantime, or the disk refuses.
        """
        publish_directory(self.result, self._out, replace=self._replace, marker=self._marker)
        # A job with a name and without a result is one that was published: its name goes last.
        _empty(self.directory, but=IDENTITY)
        shutil.rmtree(self.directory, ignore_errors=True)

    def discard(self) -> None:
        """Throw all work away: nothing can come of it."""
        # A job without a name is begun anew: what is half removed is not taken for done.
        (self.directory / IDENTITY).unlink(missing_ok=True)
        shutil.rmtree(self.directory, ignore_errors=True)


def work_directory(out: Path) -> Path:
    """Where the work of a job lies until `out` is whole."""
    return out.with_name(out.name + UNFINISHED)


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
        StorageError: `out` is taken, another process works on it, or what an earlier run left is damaged or
            was made with other options (they are named).
    """
    if out.name:
        refuse_published(out, replace=replace)
    require_free(out, replace=replace, marker=marker)
    directory = work_directory(out)
    with exclusive(directory):
        if restart:
            _empty(directory)
        job = Job(out, directory, replace=replace, marker=marker)
        _require_same(job, json.loads(json.dumps(identity)))
        for partial in directory.rglob(".*.partial"):
            with suppress(OSError):
                partial.unlink()
        yield job


def refuse_published(out: Path, *, replace: bool) -> None:
    """Tidy up after a job that was killed when it was as good as done, and say that it is.

    Raises:
        StorageError: it was so, and nobody wants `out` replaced; or another process works on it.
    """
    if forget_published(out) and out.exists() and not replace:
        raise StorageError(
            "the directory is whole: the run before was killed when nothing was left to do but tidying up",
            where=str(out),
            hint="use it as it is, or make it again with --replace",
        )


def is_published(out: Path) -> bool:
    """Whether a job left its work behind after its result had its name."""
    directory = work_directory(out)
    return (directory / IDENTITY).exists() and not (directory / _RESULT).exists()


def forget_published(out: Path) -> bool:
    """Remove what is left of a job that was killed after its result had its name; whether there was one.

    Raises:
        StorageError: another process works on it.
    """
    if not is_published(out):
        return False
    directory = work_directory(out)
    with exclusive(directory):
        shutil.rmtree(directory, ignore_errors=True)
    sweep(out)
    return True


def read_summary(path: Path) -> dict[str, Any] | None:
    """What a unit wrote when it was done; None if it is not.

    Raises:
        StorageError: the file is damaged.
    """
    try:
        summary: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        raise damaged(path) from None
    return summary


def write_summary(path: Path, summary: Mapping[str, Any]) -> None:
    """Say that a unit is done; its other files must be in their places."""
    with atomic_write(path) as stream:
        stream.write(json.dumps(summary, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def damaged(path: Path) -> StorageError:
    """What to say of a file of the job that is not as the job wrote it."""
    return StorageError(
        "a file of the unfinished work is damaged", where=str(path), hint="begin anew with --restart"
    )


def _require_same(job: Job, identity: dict[str, Any]) -> None:
    before = read_summary(job.directory / IDENTITY)
    if before is None:
        _empty(job.directory)
        job.folder(_RESULT)
        write_summary(job.directory / IDENTITY, identity)
        return
    changed = list(_changed(before, identity))
    if changed:
        raise StorageError(
            f"an unfinished run with other options is in the way (changed: {', '.join(changed)})",
            where=str(job.directory),
            hint="give the same options to go on with it, or --restart to throw it away",
        )


def _changed(before: dict[str, Any], now: dict[str, Any], name: str = "") -> Iterator[str]:
    """The names of the options that differ, with dots as overrides have them."""
    for key in before | now:
        old, new = before.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _changed(old, new, f"{name}{key}.")
        elif old != new:
            yield f"{name}{key}"


def _empty(directory: Path, *, but: str | None = None) -> None:
    """Remove everything but the lock and `but`; the job's name first, unless it stays."""
    for path in sorted(directory.iterdir(), key=lambda path: path.name != IDENTITY):
        if path.name not in (_LOCK, but):
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
