"""JSON lines with entities or labels, as doccano exports them and as `erya predict` writes entities.

{"text": "我在北京", "label": [[2, 4, "LOC"]]}
{"text": "我在北京", "entities": [{"start_offset": 2, "end_offset": 4, "label": "LOC"}], "relations": []}
{"text": "服务很好", "label": ["positive"]}           {"text": "服务很好", "cats": {"positive": 1, "food": 0}}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from erya.data.annotations.annotated import Annotated, read_entities
from erya.data.lines import numbered_lines
from erya.data.problems import Problem, Report, refuse
from erya.data.records import json_objects
from erya.errors import InputError
from erya.files import open_binary

# Where the text may stand, and where entities or labels may.
_TEXTS = ("text", "data")
_ENTITIES = ("entities", "label", "labels", "spans")
_LABELS = ("cats", "label", "labels")


def read_doccano(path: Path, *, report: Report = refuse) -> Iterator[Annotated]:
    """Read a file text by text.

    Args:
        path: JSON lines, perhaps compressed.
        report: told of each entity or label that cannot be used; it is left out.
    Yields:
        The texts. An empty list under `label` says that there are no entities and no labels.
    Raises:
        InputError: the file or a line cannot be read, or `report` refuses.
    """
    found = False
    with open_binary(path) as stream:
        for number, row in json_objects(str(path), numbered_lines(str(path), stream)):
            found = True
            yield _annotated(row, f"{path}, line {number}", number, report)
    if not found:
        raise InputError("the file holds no text", where=str(path))


def _annotated(row: Mapping[str, Any], where: str, line: int, report: Report) -> Annotated:
    text = next((row[key] for key in _TEXTS if isinstance(row.get(key), str)), None)
    if text is None:
        raise InputError(f"there is no text; the object has: {', '.join(row)}", where=where)
    marked = _first(row, _ENTITIES, _holds_entities)
    entities = None
    if marked is not None:
        entities = read_entities(marked, text, where=where, line=line, report=report)
    said = _first(row, _LABELS, _holds_labels)
    labels = None if said is None else _labels(said, where, line, report)
    return Annotated(text, entities, labels, where, line)


def _first(row: Mapping[str, Any], keys: tuple[str, ...], fits: Any) -> Any:
    return next((row[key] for key in keys if key in row and fits(key, row[key])), None)


def _holds_entities(key: str, value: Any) -> bool:
    if key in ("entities", "spans"):
        return value is not None
    return isinstance(value, list) and all(isinstance(item, list | dict) for item in value)


def _holds_labels(key: str, value: Any) -> bool:
    if key == "cats":
        return value is not None
    return isinstance(value, str | int) or (
        isinstance(value, list) and all(isinstance(item, str | int) for item in value)
    )


def _labels(said: Any, where: str, line: int, report: Report) -> tuple[str, ...]:
    if isinstance(said, Mapping):
        return tuple(
            label for label, holds in said.items() if isinstance(holds, int | float) and holds >= 0.5
        )
    if isinstance(said, str | int):
        return (str(said),)
    if isinstance(said, list) and all(isinstance(label, str | int) for label in said):
        return tuple(dict.fromkeys(str(label) for label in said))
    what = f"{str(said)[:60]!r} is neither a list of labels nor {{label: 0 or 1}}"
    report(Problem("malformed labels", what, where, line, "the labels are left out"))
    return ()
