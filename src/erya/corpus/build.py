"""`erya corpus build`: two jobs as one, which goes on in the half it was stopped in."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from erya.corpus.decontaminate.reading import find_evaluation_files
from erya.corpus.identity import clean_identity
from erya.corpus.job import (
    forget_published,
    is_published,
    read_summary,
    refuse_published,
    work_directory,
    write_summary,
)
from erya.corpus.read.files import find_files
from erya.corpus.recipe import CorpusRecipe
from erya.corpus.refusals import refuse_within
from erya.data import documents, shards
from erya.errors import StorageError
from erya.files import exclusive, require_free, sha256_of

_STATE = "build.json"


@dataclass(frozen=True, slots=True)
class Build:
    """One build.

    Attributes:
        documents, shards: the directories to make.
        has_documents: whether the first half is done already, by a run that was stopped in the second.
    """

    documents: Path
    shards: Path
    has_documents: bool


@contextmanager
def open_build(
    raw: Sequence[str], out: Path, recipe: CorpusRecipe, *, replace: bool = False, restart: bool = False
) -> Iterator[Build]:
    """Begin a build, or go on with it; when the block ends without an error the build is done.

    Args:
        raw: files, directories, globs, URLs.
        out: the directory that is to hold `documents` and `shards`.
        recipe: how raw records become documents.
        replace: whether the two may be replaced.
        restart: throw away what an earlier run left unfinished, whole documents among it.
    Raises:
        InputError: a raw file cannot be used.
        StorageError: `out` is taken, another process works on it, or an earlier run with other files or
            options left it unfinished.
    """
    refuse_within(out, raw)
    files = [[file.path, file.stamp] for file in find_files(raw, recipe.read)]
    evaluation = find_evaluation_files(recipe.decontaminate.files)
    identity = json.loads(json.dumps({"files": files, "recipe": clean_identity(recipe, evaluation)}))
    if not out.name:
        require_free(out)
    work = work_directory(out)
    with exclusive(work):
        try:
            yield _begin(out, work / _STATE, identity, replace=replace, restart=restart)
        except BaseException:
            if not _is_worth_keeping(out, work / _STATE):
                _forget(work, out)
            raise
        _forget(work, out)


def _begin(out: Path, state: Path, identity: dict[str, Any], *, replace: bool, restart: bool) -> Build:
    target = out / "documents"
    if is_published(out / "shards") and not replace:
        state.unlink(missing_ok=True)  # nothing is left to go on with
    refuse_published(out / "shards", replace=replace)
    require_free(out / "shards", replace=replace, marker=shards.MANIFEST)
    forget_published(target)
    made, before = _has_made(target, state), read_summary(state)
    if made and restart:
        shutil.rmtree(target)
        made = False
    if made and before is not None and before["identity"] != identity:
        raise StorageError(
            "an unfinished build of other files or with other options is in the way",
            where=str(out),
            hint="give the same ones to go on with it, or --restart to throw it away",
        )
    if not made:
        require_free(target, replace=replace, marker=documents.MANIFEST)
        write_summary(state, {"identity": identity, "documents": _sha256(target)})
    return Build(target, out / "shards", made)


def _has_made(target: Path, state: Path) -> bool:
    """Whether the documents are whole, and those of the build that left `state`."""
    before = read_summary(state)
    return before is not None and _sha256(target) not in (None, before["documents"])


def _sha256(directory: Path) -> str | None:
    """Tells one making of the documents from the next: their manifest says how long it took."""
    manifest = directory / documents.MANIFEST
    return sha256_of(manifest) if manifest.is_file() else None


def _is_worth_keeping(out: Path, state: Path) -> bool:
    return work_directory(out / "documents").exists() or _has_made(out / "documents", state)


def _forget(work: Path, out: Path) -> None:
    shutil.rmtree(work, ignore_errors=True)
    with suppress(OSError):  # a directory that holds something stays
        out.rmdir()
