"""All that is wrong in the rows of a file, where reading it stops at the first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from erya.data.annotations.detection import detect_layout, read_annotated, read_questions
from erya.data.problems import Problem, Problems
from erya.data.records import is_table, read_records
from erya.errors import InputError
from erya.tasks.kind import AnyKind
from erya.tasks.preflight.findings import MOST_PLACES, Finding, Level, Place, finding

# Found from the examples, too, and said better there.
_SAID_ELSEWHERE = ("an answer not at its place",)
# Fields that a row may lack whatever the kind.
_OPTIONAL = frozenset({"id", "negatives", "score"})
# Of taggers: a row has a text or words, and a text without entities may be empty.
_OF_TAGS = frozenset({"text", "entities", "words", "tags"})


def read_all(
    kind: AnyKind, name: str, path: Path, columns: Mapping[str, str]
) -> tuple[list[Any] | None, list[Finding]]:
    """The examples of a file, and what is wrong with its rows.

    Args:
        kind: whose examples these are.
        name: which of the files it is.
        path: the file.
        columns: for each field the column it stands in.
    Returns:
        The examples, None where the file cannot be used as it is; and findings.
    """
    try:
        return list(kind.examples(path, columns=columns, labelled=True)), []
    except InputError as error:
        return None, [*_broken(kind, name, path, columns, error)]


def place_of(name: str, where: str | None, what: str = "") -> Place:
    """The place an error names."""
    for part in (where or "").split(", "):
        unit, _, number = part.partition(" ")
        if unit in ("line", "row") and number.split(" ")[0].isdigit():
            return Place(name, int(number.split(" ")[0]), what)
    return Place(name, 1, what)


def refusal(name: str, error: InputError) -> Finding:
    """What made reading stop, as a finding."""
    what = f"the {name} file cannot be used: {error.what}"
    places = [place_of(name, error.where)] if error.where and ", " in error.where else []
    return finding("unusable", "error", what, places, hint=error.hint or "", count=max(len(places), 1))


def _broken(
    kind: AnyKind, name: str, path: Path, columns: Mapping[str, str], error: InputError
) -> Iterator[Finding]:
    """What stopped the reading, and every other row with a mistake that shows in the row alone."""
    try:
        problems = _problems_of(kind, path, columns)
    except InputError:
        problems = Problems()
    found = list(as_findings(name, problems, "error"))
    said = {place.line for each in found for place in each.places}
    if place_of(name, error.where).line not in said:
        yield refusal(name, error)
    yield from found


def _problems_of(kind: AnyKind, path: Path, columns: Mapping[str, str]) -> Problems:
    layout = detect_layout(path)
    if layout != "records":
        with suppress(InputError):
            return _annotation_problems(path)
    problems = Problems(longest=MOST_PLACES)
    if layout in ("records", "doccano"):
        _scan_rows(kind, path, columns, problems)
    return problems


def _scan_rows(kind: AnyKind, path: Path, columns: Mapping[str, str], problems: Problems) -> None:
    if kind.name == "tag":
        columns = {field: columns[field] for field in _OF_TAGS}  # another is that of CoNLL lines
    may_lack = _OF_TAGS if kind.name == "tag" else kind.optional_inputs | _OPTIONAL
    optional = may_lack & columns.keys()
    structured = () if is_table(path) else tuple(columns)
    for record in read_records(
        path, columns=columns, structured=structured, optional=optional, broken=problems.note
    ):
        for field, value in {**record.values, **record.data}.items():
            if isinstance(value, str) and not value.strip() and kind.name != "tag":
                where = f"{record.where}, field {columns[field]!r}"
                problems.note(Problem(f"an empty {field}", "", where, record.line, "the row is left out"))
            elif value is None or (field in kind.inputs and not isinstance(value, str)):
                where = f"{record.where}, field {columns[field]!r}"
                said = f"{str(value)[:40]} in place of a text"
                problems.note(
                    Problem(f"an unusable {field}", said, where, record.line, "the row is left out")
                )


def _annotation_problems(path: Path) -> Problems:
    """What is wrong with the marks of a file that a tool wrote."""
    problems = Problems(longest=MOST_PLACES)
    read: Iterator[Any] = (
        read_questions(path, report=problems.note)
        if detect_layout(path) == "squad"
        else read_annotated(path, report=problems.note)
    )
    for _ in read:
        pass
    return problems


def as_findings(name: str, problems: Problems, level: Level) -> Iterator[Finding]:
    """A finding for each kind of problem that reading a file told of.

    Args:
        name: which of the files it is.
        problems: what was told.
        level: how bad that is.
    """
    for kind, count in problems.counts.items():
        if kind in _SAID_ELSEWHERE:
            continue
        kept = problems.kept[kind]
        places = [Place(name, problem.line, problem.what) for problem in kept]
        what = f"{count:,} times {kind} in the {name} file" + f" ({kept[0].done})" * (level != "error")
        yield finding(kind, level, what, places, count=count)
