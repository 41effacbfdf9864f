"""Pairs of texts from files: rows of two texts, or a query with its candidates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from erya.data.records import Record, is_table, read_records
from erya.errors import InputError

# The keys of a file of candidates.
QUERY, CANDIDATES, RELEVANCE = "query", "candidates", "relevance"
_RANKING = {CANDIDATES: CANDIDATES}


@dataclass(frozen=True, slots=True)
class Example:
    """Two texts to compare.

    Attributes:
        text: the first text, or the query.
        pair: the second text, or the candidate.
        target: a class or a number, as it stands in the file; None where it is not known.
        where: file and line, for messages.
        line: the line it begins on, or its number where there is no file.
        is_candidate: whether it is one of several candidates for the query.
    """

    text: str
    pair: str
    target: str | None
    where: str
    line: int
    is_candidate: bool = False


def read_pairs(path: Path, *, columns: Mapping[str, str], labelled: bool) -> Iterator[Example]:
    """Read a file of pairs, or of queries with candidates, which become a pair each.

    Args:
        path: rows with `text`, `pair` and `label`; or rows with a `query`, a list of `candidates` and a list
            of numbers, `relevance`, one for each.
        columns: for `text`, `pair` and `label`, the column it stands in.
        labelled: whether the truth is wanted.
    Raises:
        InputError: the file or a row cannot be used; says where.
    """
    if not columns["text"].isdecimal() and _has_candidates(path):
        names = {QUERY: QUERY, CANDIDATES: CANDIDATES, **({RELEVANCE: RELEVANCE} if labelled else {})}
        for record in read_records(path, columns=names, structured=(CANDIDATES, RELEVANCE)):
            yield from candidates_of(record)
        return
    wanted = {field: column for field, column in columns.items() if labelled or field != "label"}
    # JSON says which values are numbers; in a table the cell is the label.
    structured = () if is_table(path) else ("label",)
    for record in read_records(path, columns=wanted, structured=structured):
        yield read_pair(record)


def read_pair(record: Record) -> Example:
    """Check a row with two texts and perhaps a label.

    Raises:
        InputError: a field is empty, or the label is no text and no number.
    """
    for field, value in record.values.items():
        if not value.strip():
            raise InputError(f"the {field} is empty", where=f"{record.where}, field {field!r}")
    values = record.values
    if "pair" not in values:
        raise InputError(
            "there is no second text", where=record.where, hint="name its column: --pair; of lines: --tab"
        )
    target = values.get("label")
    if "label" in record.data:
        target = _as_target(record.data["label"], record.where)
    return Example(values["text"], values["pair"], target, record.where, record.line)


def candidates_of(record: Record) -> Iterator[Example]:
    """A pair for each candidate of a row.

    Raises:
        InputError: there are no candidates, one is no text, or there is not a number for each.
    """
    query, candidates = record.values[QUERY], record.data[CANDIDATES]
    if not query.strip():
        raise InputError("the query is empty", where=f"{record.where}, field {QUERY!r}")
    if not isinstance(candidates, list) or not candidates:
        raise InputError("a list of texts is wanted", where=f"{record.where}, field {CANDIDATES!r}")
    for number, candidate in enumerate(candidates, 1):
        if not isinstance(candidate, str) or not candidate.strip():
            raise InputError(
                f"candidate {number} is no text, or empty", where=f"{record.where}, field {CANDIDATES!r}"
            )
    targets = _relevances(record, len(candidates))
    for candidate, target in zip(candidates, targets, strict=True):
        yield Example(query, candidate, target, record.where, record.line, is_candidate=True)


def number_of(target: str | None, *, where: str) -> float:
    """The number a target is.

    Raises:
        InputError: it is none, or not finite.
    """
    try:
        value = float(target or "")
    except ValueError:
        value = float("nan")
    if not abs(value) < float("inf"):
        raise InputError(
            f"a number is wanted as the score, not {target!r}",
            where=where,
            hint="objective=classify takes words; is this the right label column?",
        )
    return value


def _has_candidates(path: Path) -> bool:
    first = next(read_records(path, columns=_RANKING, structured=_RANKING, optional=_RANKING))
    return CANDIDATES in first.data


def _relevances(record: Record, number: int) -> list[str | None]:
    if RELEVANCE not in record.data:
        return [None] * number
    given = record.data[RELEVANCE]
    where = f"{record.where}, field {RELEVANCE!r}"
    if not isinstance(given, list) or len(given) != number:
        found = f"{len(given)} numbers" if isinstance(given, list) else "no list"
        raise InputError(f"there are {number} candidates, but {found}", where=where)
    for value in given:
        if isinstance(value, str) or not isinstance(value, int | float):
            raise InputError(f"a number for each candidate is wanted, not {value!r}", where=where)
    return [_as_target(value, where) for value in given]


def _as_target(value: Any, where: str) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, str | int):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    raise InputError(f"the label is a word or a number, not {value!r}", where=where)
