"""`metrics.jsonl`: a JSON object a line, about a step or an evaluation. Torch-free."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from erya.errors import InputError

METRICS_FILE = "metrics.jsonl"


def read_metrics(directory: Path) -> Iterator[dict[str, Any]]:
    """The lines of the run in `directory`, or nothing where there is no such file.

    A last line without an end is left out: it is being written at this moment, or its run was killed.

    Raises:
        InputError: a line is no JSON object.
    """
    path = directory / METRICS_FILE
    if not path.is_file():
        return
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if not line.endswith(b"\n"):
                return
            yield _object(line, where=f"{path}, line {number}")


def _object(line: bytes, *, where: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:  # so is what is not UTF-8
        raise InputError("not a JSON line", where=where) from None
    if not isinstance(value, dict):
        raise InputError("not a JSON object", where=where)
    return value
