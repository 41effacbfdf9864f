"""A text with what people said about it, whatever tool wrote it down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from erya.data.problems import Problem, Report

_STARTS, _ENDS = ("start", "start_offset"), ("end", "end_offset")
_TYPES = ("type", "label", "labels")
_SHOWN = 60


@dataclass(frozen=True, order=True, slots=True)
class Entity:
    """A stretch of a text with a type.

    Attributes:
        start: its first character.
        end: the character after its last.
        type: what it is.
    """

    start: int
    end: int
    type: str


@dataclass(frozen=True, slots=True)
class Annotated:
    """One text.

    Attributes:
        text: as it was annotated, every character.
        entities: its entities by place, every one within the text; None where nobody marked any.
        labels: what was said of the text as a whole; None where nothing was.
        where: file and line, for messages.
        line: the line it begins on, from 1.
    """

    text: str
    entities: tuple[Entity, ...] | None
    labels: tuple[str, ...] | None
    where: str
    line: int


@dataclass(frozen=True, slots=True)
class Claim:
    """An entity as a file has it, not yet compared with its text.

    Attributes:
        start: its first character.
        end: the character after its last.
        type: what it is.
        said: the characters the file says it has; None where it does not say.
    """

    start: int
    end: int
    type: str
    said: str | None = None


def read_entities(
    values: Any, text: str, *, where: str, line: int, report: Report
) -> tuple[Entity, ...] | None:
    """Entities as most tools write them.

    Args:
        values: a list of `[start, end, type]` or of objects with `start`, `end` (or `start_offset`,
            `end_offset`), `type` (or `label`) and perhaps `text`; None where there is none.
        text: what they are in.
        where: for messages.
        line: for messages.
        report: told of each that cannot be used; it is left out.
    """
    if values is None:
        return None
    if not isinstance(values, list):
        report(_malformed(values, where, line))
        return ()
    claims = []
    for number, value in enumerate(values, 1):
        claim = _claim(value)
        if claim is None:
            report(_malformed(value, f"{where}, entity {number}", line))
        else:
            claims.append(claim)
    return checked(claims, text, where=where, line=line, report=report)


def checked(
    claims: Iterable[Claim], text: str, *, where: str, line: int, report: Report
) -> tuple[Entity, ...]:
    """The entities that fit their text, in order and once each.

    Args:
        claims: what a file says.
        text: what they are in.
        where: for messages.
        line: for messages.
        report: told of each that does not fit or stands there twice.
    """
    entities: set[Entity] = set()
    for claim in claims:
        entity = Entity(claim.start, claim.end, claim.type)
        kind, what = _fault(claim, text)
        if not kind and entity in entities:
            kind, what = "an entity twice", f"{text[claim.start : claim.end]!r} is {claim.type} twice"
        if kind:
            report(Problem(kind, what, where, line, "the entity is left out"))
        else:
            entities.add(entity)
    return tuple(sorted(entities))


def _fault(claim: Claim, text: str) -> tuple[str, str]:
    """What is wrong with a claim: its kind and a sentence; empty where nothing is."""
    place = f"{claim.type} from {claim.start} to {claim.end}"
    if not 0 <= claim.start <= claim.end <= len(text):
        return "an entity outside its text", f"{place}, but the text has {len(text):,} characters"
    found = text[claim.start : claim.end]
    if claim.start == claim.end or not found.strip():
        return "an empty entity", f"{place} covers {found!r}"
    if claim.said is not None and found != claim.said:
        return (
            "an entity whose text is another",
            f"{place} is {found[:_SHOWN]!r}, not {claim.said[:_SHOWN]!r}",
        )
    if not claim.type.strip():
        return "an entity without a type", f"{found!r} from {claim.start} to {claim.end}"
    return "", ""


def _claim(value: Any) -> Claim | None:
    if isinstance(value, list | tuple) and len(value) == 3:
        start, end, kind = value
        said = None
    elif isinstance(value, Mapping):
        start, end, kind = (_first(value, names) for names in (_STARTS, _ENDS, _TYPES))
        said = value.get("text")
    else:
        return None
    if isinstance(kind, list) and len(kind) == 1:
        kind = kind[0]
    if not _is_whole(start) or not _is_whole(end) or not isinstance(kind, str):
        return None
    return Claim(start, end, kind, said if isinstance(said, str) else None)


def _first(value: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((value[name] for name in names if name in value), None)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _malformed(value: Any, where: str, line: int) -> Problem:
    what = f'{str(value)[:_SHOWN]!r} is neither [start, end, type] nor {{"start", "end", "type"}}'
    return Problem("a malformed entity", what, where, line, "the entity is left out")
