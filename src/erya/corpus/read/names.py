"""Which files are meant: by a path, a directory, a pattern or a URL."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from erya.corpus.read.storage import filesystem, is_url, without_local_protocol
from erya.errors import InputError
from erya.files import COMPRESSED_SUFFIXES

JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
PARQUET_SUFFIX = ".parquet"
_SUFFIXES = (".txt", *JSON_SUFFIXES, ".csv", ".tsv", PARQUET_SUFFIX)
# What the extractor of Wikipedia calls its output.
WIKI_NAME = re.compile(r"wiki_\d+")


def plain_name(path: str) -> str:
    """The name of a file in lower case, without its directories and the suffix of its compression."""
    name = PurePosixPath(path).name.lower()
    return next((name.removesuffix(end) for end in COMPRESSED_SUFFIXES if name.endswith(end)), name)


def is_raw_name(path: str) -> bool:
    """Whether a file of a directory is taken for raw text by its name; hidden ones are not."""
    name = plain_name(path)
    return not name.startswith(".") and (name.endswith(_SUFFIXES) or WIKI_NAME.fullmatch(name) is not None)


def names_meant(given: str) -> Iterator[str]:
    """The files that `given` stands for, in order.

    Args:
        given: a file; a directory, which stands for the raw files below it that are not hidden, links
            followed; or a pattern with `*`, `**`, `?` or `[...]` (in a URL with `*`), which stands for the
            files it matches.
    Raises:
        InputError: a directory holds no raw file or cannot be listed, a pattern matches none, or a name is
            not UTF-8.
    """
    path = without_local_protocol(given)
    try:
        names = _of_url(path) if is_url(path) else _of_path(path)
    except OSError as error:
        said = f"cannot look there: {error.strerror}"
        raise InputError(said, where=str(error.filename or given)) from error
    if not names:
        raise _nothing(given)
    for name in names:
        _require_utf8(name)
        yield name


def _of_path(given: str) -> list[str]:
    path = Path(given)
    if path.is_dir():
        return sorted(str(file) for file in _below(path, set()) if is_raw_name(file.name))
    if path.exists() or not glob.has_magic(given):
        return [given]
    # Path.glob takes no pattern from the root, and follows hidden directories.
    return sorted(name for name in glob.glob(given, recursive=True) if Path(name).is_file())  # noqa: PTH207


def _below(directory: Path, seen: set[Path]) -> Iterator[Path]:
    """All but directories below a directory; what links lead to again is listed once."""
    # Path.rglob says nothing of what it may not list, and follows no links.
    real = directory.resolve()
    if real in seen:
        return
    seen.add(real)
    for entry in sorted(directory.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _below(entry, seen)
        else:
            yield entry


def _of_url(given: str) -> list[str]:
    is_pattern = "*" in given
    # A chain of protocols names one file; so does a name with a suffix, without asking.
    if "::" in given or (is_raw_name(given) and not is_pattern):
        return [given]
    system, name = filesystem(given)
    try:
        if is_pattern:
            found = [each for each in system.glob(name) if system.isfile(each)]
        elif system.isdir(name):
            skipped = len(PurePosixPath(name).parts)
            found = [
                each
                for each in system.find(name)
                if is_raw_name(each) and not _is_hidden(PurePosixPath(each).parts[skipped:])
            ]
        else:
            return [given]
    except Exception as error:  # any library may be behind a URL
        raise InputError(f"cannot list what is there: {error}", where=given) from error
    return sorted(str(system.unstrip_protocol(each)) for each in found)


def _is_hidden(parts: tuple[str, ...]) -> bool:
    return any(part.startswith(".") for part in parts)


def _require_utf8(name: str) -> None:
    # Reports could not name it.
    if any("\ud800" <= character <= "\udfff" for character in name):
        shown = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        hint = "rename it, for example with convmv"
        raise InputError("the name of the file is not UTF-8", where=shown, hint=hint)


def _nothing(given: str) -> InputError:
    if glob.has_magic(given):
        hint = "mind that * does not match directories; DIR/**/*.txt looks below DIR"
        return InputError("no file matches the pattern", where=given, hint=hint)
    wanted = " ".join(_SUFFIXES)
    return InputError(
        "the directory holds no raw text",
        where=given,
        hint=f"wanted: {wanted} (text also with {' '.join(COMPRESSED_SUFFIXES)}) or wiki_00",
    )
