"""Which models a directory stands for: itself, or those that an ensemble lists. Needs no torch."""

from __future__ import annotations

import json
from pathlib import Path

from erya.bundled import located
from erya.errors import CheckpointError

ENSEMBLE_FILE = "ensemble.json"
FORMAT_VERSION = 1


def members_of(directory: Path) -> list[Path]:
    """The model directories that answer for `directory`: itself, or those an ensemble lists.

    Raises:
        CheckpointError: its list cannot be read, or a member is missing.
    """
    directory = located(directory)
    file = directory / ENSEMBLE_FILE
    if not file.is_file():
        return [directory]
    try:
        listed = json.loads(file.read_text(encoding="utf-8"))
        names = [str(name) for name in listed["members"]]
        version = listed["format_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"not a list of an ensemble's members: {error}", where=str(file)) from None
    if version != FORMAT_VERSION:
        raise CheckpointError(
            f"an ensemble of format {version}, this Erya reads {FORMAT_VERSION}", where=str(file)
        )
    if not names or (missing := [name for name in names if not (directory / name).is_dir()]):
        raise CheckpointError(
            f"the ensemble lacks members: {', '.join(missing) if names else 'it lists none'}", where=str(file)
        )
    return [directory / name for name in names]
