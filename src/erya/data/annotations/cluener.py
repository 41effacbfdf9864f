"""CLUENER's JSON lines: `{"text": ..., "label": {type: {surface: [[first, last], ...]}}}`.

The last character is part of the entity.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from erya.data.annotations.annotated import Annotated, Claim, checked
from erya.data.problems import Problem, Report, refuse
from erya.data.records import read_records


def read_cluener(path: Path, *, report: Report = refuse) -> Iterator[Annotated]:
    """Read a file text by text.

    Args:
        path: .json or .jsonl, perhaps compressed.
        report: told of each entity that does not fit its text; it is left out.
    Yields:
        The texts; `entities` is None where a line has no `label`.
    Raises:
        InputError: the file or a line cannot be read, or `report` refuses.
    """
    for record in read_records(
        path, columns={"text": "text", "label": "label"}, structured=("label",), optional=("label",)
    ):
        text, where, line = record.values["text"], record.where, record.line
        entities = None
        if "label" in record.data:
            claims = _claims(record.data["label"], where, line, report)
            entities = checked(claims, text, where=where, line=line, report=report)
        yield Annotated(text, entities, None, where, line)


def _claims(label: Any, where: str, line: int, report: Report) -> list[Claim]:
    claims = []
    try:
        for kind, surfaces in label.items():
            for surface, places in surfaces.items():
                claims += [Claim(int(first), int(last) + 1, kind, surface) for first, last in places]
    except (AttributeError, TypeError, ValueError):
        what = "the label is not {type: {surface: [[first, last], ...]}}"
        report(Problem("a malformed entity", what, where, line, "the line's entities are left out"))
    return claims
