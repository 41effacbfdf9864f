"""Texts, pairs and hard negatives from files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from erya.data.lines import numbered_lines
from erya.data.records import Record, ending_of, is_table, read_records
from erya.errors import InputError
from erya.files import open_binary, require_file

# A text that asks, or one that is found: each may have words before it that tell the network which.
Role = Literal["query", "passage"]

_OPTIONAL = ("pair", "negatives", "score")


@dataclass(frozen=True, slots=True)
class Example:
    """A text, and what is known about how it lies to others.

    Attributes:
        text: the text.
        pair: another one that means the same, or that `score` compares it with.
        negatives: texts that look alike and mean something else.
        score: how alike text and pair are, the more the higher; None where it is not known.
        where: file and line, for messages.
        line: the line it begins on, or its number where there is no file.
        role: what `text` is; pair and negatives are passages.
    """

    text: str
    pair: str | None
    negatives: tuple[str, ...]
    score: float | None
    where: str
    line: int
    role: Role = "query"

    @property
    def texts(self) -> tuple[str, ...]:
        """All its texts: the first, its pair, its negatives."""
        return (self.text, *(() if self.pair is None else (self.pair,)), *self.negatives)


def read_texts(path: Path, *, columns: Mapping[str, str], labelled: bool) -> Iterator[Example]:
    """Read a file.

    Args:
        path: a .txt file with a text a line (a table, where columns are numbers or its first line names that
            of the text among others); or rows with `text` and, where they have them, `pair`, `score` and
            `negatives` (of JSON a list of texts, of a table one text).
        columns: for each field, the column it stands in.
        labelled: whether `score` is wanted.
    Raises:
        InputError: the file or a row cannot be used; says where.
    """
    if _is_plain(path, columns["text"]):
        yield from _read_lines(path)
        return
    wanted = {field: column for field, column in columns.items() if labelled or field != "score"}
    structured = () if is_table(path) else [field for field in ("negatives", "score") if field in wanted]
    optional = [field for field in _OPTIONAL if field in wanted]
    for record in read_records(path, columns=wanted, structured=structured, optional=optional):
        yield read_example(record)


def read_example(record: Record) -> Example:
    """Check one row.

    Raises:
        InputError: a text is empty, the score is no number, or the negatives are no list of texts.
    """
    for field, value in record.values.items():
        if not value.strip():
            raise InputError(f"the {field} is empty", where=f"{record.where}, field {field!r}")
    values, data = record.values, record.data
    negatives = (values["negatives"],) if "negatives" in values else _negatives(data, record.where)
    score = values.get("score", data.get("score"))
    return Example(
        text=values["text"],
        pair=values.get("pair"),
        negatives=negatives,
        score=None if score is None else _number(score, f"{record.where}, field 'score'"),
        where=record.where,
        line=record.line,
    )


def require_pairs(examples: Sequence[Example], *, column: str, why: str) -> None:
    """Make sure that every example has a second text.

    Raises:
        InputError: one has none; says where.
    """
    for example in examples:
        if example.pair is None:
            raise InputError(
                f"there is no second text (column {column!r}), which {why}",
                where=example.where,
                hint="name its column: --pair COLUMN",
            )


def require_scores(examples: Sequence[Example], *, column: str, why: str) -> None:
    """Make sure that every example has a score, and not all the same.

    Raises:
        InputError: one has none (says where), or there is nothing to compare.
    """
    for example in examples:
        if example.score is None:
            raise InputError(
                f"there is no score (column {column!r}), which {why}",
                where=example.where,
                hint="name its column: --score COLUMN",
            )
    if len({example.score for example in examples}) < 2:
        raise InputError(
            f"all {len(examples):,} pairs have the same score: there is nothing to compare",
            where=examples[0].where.rpartition(", line")[0] or None if examples else None,
        )


def _is_plain(path: Path, column: str) -> bool:
    if ending_of(path) != ".txt" or column.isdecimal():
        return False
    with open_binary(require_file(path)) as stream:
        _, first = next(numbered_lines(str(path), stream), (1, ""))
    names = first.rstrip("\r\n").split("\t")
    return len(names) == 1 or column not in names


def _read_lines(path: Path) -> Iterator[Example]:
    found = False
    with open_binary(require_file(path)) as stream:
        for number, line in numbered_lines(str(path), stream):
            if text := line.strip():
                found = True
                yield Example(text, None, (), None, f"{path}, line {number}", number)
    if not found:
        raise InputError("the file holds no text", where=str(path))


def _negatives(data: Mapping[str, Any], where: str) -> tuple[str, ...]:
    given = data.get("negatives", [])
    is_list = isinstance(given, list) and all(isinstance(text, str) and text.strip() for text in given)
    if not is_list:
        raise InputError("a list of texts is wanted, none of them empty", where=f"{where}, field 'negatives'")
    return tuple(given)


def _number(value: Any, where: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not abs(number) < float("inf"):
        raise InputError(f"a number is wanted as the score, not {value!r}", where=where)
    return number
