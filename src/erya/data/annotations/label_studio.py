"""Label Studio's exports: JSON (every annotation of a task) and JSON-MIN (one flat object a task)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from erya.data.annotations.annotated import Annotated, Claim, checked
from erya.data.annotations.document import Placed, read_document
from erya.data.problems import Problem, Report, refuse
from erya.errors import InputError

# What JSON-MIN writes beside the data and the answers.
_ABOUT = frozenset({"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time"})
_HINT = "export as JSON or JSON-MIN, one list of tasks"


@dataclass(slots=True)
class _Marks:
    """What one annotation says; `answered` where it says anything of a kind, even nothing."""

    claims: list[Claim] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    has_entities: bool = False
    has_labels: bool = False


def read_label_studio(path: Path, *, text: str = "text", report: Report = refuse) -> Iterator[Annotated]:
    """Read a file task by task.

    Choices and taxonomies (the levels of a path joined by "/") become labels, labelled regions entities. Of
    several annotations of a task the one marked as ground truth counts, otherwise the first that was not
    cancelled.

    Args:
        path: an export, perhaps compressed; it is held whole.
        text: the name of the text in the task's data; where it is not there and the data has one text only,
            that one is meant.
        report: told of entities that do not fit, of tasks that nobody annotated and of other kinds of
            regions; these are left out.
    Raises:
        InputError: the file is no such export, or `report` refuses.
    """
    document = read_document(path)
    if not isinstance(document, list) or not all(isinstance(task, Placed) for task in document):
        raise InputError(
            "not an export of Label Studio: a list of tasks is wanted", where=str(path), hint=_HINT
        )
    for task in document:
        where = f"{path}, line {task.line}" + (f", task {task['id']}" if "id" in task else "")
        if "data" in task and isinstance(task["data"], Mapping):
            yield from _full(task, text, where, report)
        else:
            yield from _flat(task, text, where, report)
    if not document:
        raise InputError("the file holds no task", where=str(path), hint=_HINT)


def _full(task: Placed, name: str, where: str, report: Report) -> Iterator[Annotated]:
    """A task of a JSON export; nothing where nobody annotated it."""
    text = _text_of(task["data"], name, where)
    given = task.get("annotations", task.get("completions")) or []
    valid = [one for one in given if isinstance(one, Mapping) and not one.get("was_cancelled")]
    if not valid:
        what = "every annotation was cancelled" if given else "nobody annotated it"
        report(Problem("a task without an annotation", what, where, task.line, "the task is left out"))
        return
    chosen = next((one for one in valid if one.get("ground_truth")), valid[0])
    marks = _Marks()
    for region in chosen.get("result") or []:
        _add_region(region, marks, where, task.line, report)
    # An empty annotation says that there is nothing to mark.
    is_empty = not (marks.has_entities or marks.has_labels)
    yield _annotated(text, marks, where, task.line, report, has_entities=marks.has_entities or is_empty)


def _add_region(region: Any, marks: _Marks, where: str, line: int, report: Report) -> None:
    value = region.get("value") if isinstance(region, Mapping) else None
    kind = region.get("type") if isinstance(region, Mapping) else None
    if isinstance(value, Mapping) and kind in ("choices", "taxonomy"):
        marks.has_labels = True
        marks.labels += _names(value.get(kind))
    elif isinstance(value, Mapping) and kind in ("labels", "hypertextlabels"):
        marks.has_entities = True
        _add_entity(value, value.get(kind), marks, where, line, report)
    else:
        what = f"a region of type {kind!r}, which is neither labels, choices nor taxonomy"
        report(Problem("another kind of region", what, where, line, "the region is left out"))


def _flat(task: Placed, name: str, where: str, report: Report) -> Iterator[Annotated]:
    """A task of a JSON-MIN export."""
    text = _text_of(task, name, where)
    marks, said_in = _Marks(), list[str]()
    for key, value in task.items():
        if key in _ABOUT or key == name or (isinstance(value, str) and value is text):
            continue
        if isinstance(value, list) and value and all(_is_region(item) for item in value):
            marks.has_entities = True
            for item in value:
                kinds = item.get("labels", item.get("hypertextlabels"))
                _add_entity(item, kinds, marks, where, task.line, report)
        elif (names := _names(value)) or value == []:
            marks.has_labels = marks.has_labels or bool(names)
            marks.labels += names
            said_in += [key] * bool(names)
    if len(said_in) > 1:
        what = f"{', '.join(said_in)}: nothing in this form of export tells data from answers"
        report(Problem("several fields that may be the label", what, where, task.line, "none is taken"))
        marks.labels, marks.has_labels = [], False
    yield _annotated(
        text, marks, where, task.line, report, has_entities=not marks.has_labels or marks.has_entities
    )


def _is_region(value: Any) -> bool:
    return isinstance(value, Mapping) and "start" in value and "end" in value


def _add_entity(
    value: Mapping[str, Any], kinds: Any, marks: _Marks, where: str, line: int, report: Report
) -> None:
    start, end, said = value.get("start"), value.get("end"), value.get("text")
    names = _names(kinds)
    if not isinstance(start, int) or not isinstance(end, int) or not names:
        what = f"start {start!r}, end {end!r}, labels {kinds!r}"
        report(Problem("a malformed entity", what, where, line, "the entity is left out"))
        return
    marks.claims += [Claim(start, end, name, said if isinstance(said, str) else None) for name in names]


def _annotated(
    text: str, marks: _Marks, where: str, line: int, report: Report, *, has_entities: bool
) -> Annotated:
    entities = None
    if has_entities:
        claims = [_in_code_points(claim, text) for claim in marks.claims]
        entities = checked(claims, text, where=where, line=line, report=report)
    labels = tuple(dict.fromkeys(marks.labels)) if marks.has_labels else None
    return Annotated(text, entities, labels, where, line)


def _in_code_points(claim: Claim, text: str) -> Claim:
    """A browser counts an emoji or a rare Hanzi as two: where only that explains the text, count anew."""
    if claim.said is None or text[claim.start : claim.end] == claim.said:
        return claim
    units = text.encode("utf-16-le", "surrogatepass")
    before, inside = units[: 2 * claim.start], units[2 * claim.start : 2 * claim.end]
    if inside.decode("utf-16-le", "replace") != claim.said:
        return claim
    start = len(before.decode("utf-16-le", "replace"))
    return Claim(start, start + len(claim.said), claim.type, claim.said)


def _names(value: Any) -> list[str]:
    """The labels in `"a"`, `["a", "b"]`, `{"choices": [...]}` and the paths of a taxonomy."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return _names(value.get("choices", value.get("taxonomy")))
    if not isinstance(value, list):
        return []
    return [
        "/".join(str(level) for level in item) if isinstance(item, list) else str(item)
        for item in value
        if isinstance(item, str | list)
    ]


def _text_of(data: Mapping[str, Any], name: str, where: str) -> str:
    texts = [value for key, value in data.items() if isinstance(value, str) and key not in _ABOUT]
    if isinstance(data.get(name), str):
        found: str = data[name]
        return found
    if len(texts) == 1:
        return texts[0]
    raise InputError(f"there is no text {name!r}; the data has: {', '.join(data)}", where=where)
