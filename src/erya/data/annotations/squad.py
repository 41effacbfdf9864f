"""Questions on passages: the JSON of SQuAD, CMRC 2018 and DRCD, and CMRC 2018's own first form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from erya.data.annotations.document import Placed, read_document
from erya.data.problems import Problem, Report, refuse
from erya.errors import InputError

_SHOWN = 40
_NOWHERE = -1
_HINT = '{"data": [{"paragraphs": [{"context": ..., "qas": [{"question", "id", "answers"}]}]}]}'


@dataclass(frozen=True, slots=True)
class GoldAnswer:
    """An answer that annotators gave.

    Attributes:
        start: its first character in the context; -1 where the file does not say rightly.
        end: the character after its last; -1 likewise.
        text: the answer.
    """

    start: int
    end: int
    text: str

    @property
    def is_placed(self) -> bool:
        """Whether it is known where in the context it stands."""
        return self.start != _NOWHERE


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Attributes:
        question: what is asked.
        context: where the answer is to be found.
        answers: the answers; empty where the context has none, None where nobody said.
        id: what the file calls it; empty where it has no name.
        where: file, line and id, for messages.
        line: the line it begins on, from 1.
    """

    question: str
    context: str
    answers: tuple[GoldAnswer, ...] | None
    id: str
    where: str
    line: int


def read_squad(path: Path, *, report: Report = refuse) -> Iterator[Question]:
    """Read the questions of a file in order.

    Args:
        path: a JSON document, perhaps compressed; it is held whole.
        report: told of each answer that is not in its context where the file says; its text is kept, its
            place is not.
    Raises:
        InputError: the file is no JSON of this kind, or `report` refuses.
    """
    document = read_document(path)
    found = False
    for paragraph in _paragraphs(document, str(path)):
        context = _text(paragraph, ("context", "context_text"), f"{path}, line {paragraph.line}")
        for question in _objects(paragraph, "qas", str(path)):
            found = True
            yield _question(question, context, str(path), report)
    if not found:
        raise InputError("the file holds no question", where=str(path), hint=_HINT)


def read_answers(
    values: Any, context: str, *, where: str, line: int, report: Report
) -> tuple[GoldAnswer, ...]:
    """Answers as files have them.

    Args:
        values: a list of `{"text", "answer_start"}` (or `start`) or of texts, or an object of two lists,
            `{"text": [...], "answer_start": [...]}` (or `start`), as Parquet files have it.
        context: what they stand in.
        where: for messages.
        line: for messages.
        report: told of each that cannot be used; only its text is kept.
    """
    if isinstance(values, Mapping) and isinstance(values.get("text"), list):
        values = _side_by_side(values["text"], _start(values), where, line, report)
    answers = []
    for value in values if isinstance(values, list) else [values]:
        text, start = (value, None) if isinstance(value, str) else _text_and_start(value)
        if not isinstance(text, str) or not text.strip():
            what = f"{str(value)[:_SHOWN]!r} has no text"
            report(Problem("an answer without a text", what, where, line, "the answer is left out"))
            continue
        answers.append(_placed(text, start, context, where, line, report))
    return tuple(answers)


def _text_and_start(value: Any) -> tuple[Any, Any]:
    if not isinstance(value, Mapping):
        return None, None
    return value.get("text"), _start(value)


def _start(value: Mapping[str, Any]) -> Any:
    return value.get("answer_start", value.get("start"))


def _side_by_side(
    texts: list[Any], starts: Any, where: str, line: int, report: Report
) -> list[dict[str, Any]]:
    """Each text with its start, from a list of the ones and a list of the others."""
    if starts is None:
        starts = [None] * len(texts)
    if not isinstance(starts, list) or len(starts) != len(texts):
        what = f"there are {len(texts)} texts, but not as many starts: {str(starts)[:_SHOWN]}"
        report(Problem("answers without their places", what, where, line, "only their texts are used"))
        starts = [_NOWHERE] * len(texts)
    return [{"text": text, "start": start} for text, start in zip(texts, starts, strict=True)]


def _placed(text: str, start: Any, context: str, where: str, line: int, report: Report) -> GoldAnswer:
    """The answer at its place; of one without a place the only occurrence."""
    place = start
    if start is None and _occurrences(text, context) == 1:
        place = context.find(text)
    is_whole = isinstance(place, int) and not isinstance(place, bool)
    if is_whole and place >= 0 and context.startswith(text, place):
        return GoldAnswer(place, place + len(text), text)
    what = f"{text[:_SHOWN]!r} {_misplaced(text, start, context)}"
    report(Problem("an answer not at its place", what, where, line, "only its text is used"))
    return GoldAnswer(_NOWHERE, _NOWHERE, text)


def _misplaced(text: str, start: Any, context: str) -> str:
    said = "has no place" if start is None else f"is not at character {start}"
    occurrences = _occurrences(text, context)
    if not occurrences:
        return f"{said}; it stands nowhere in the context"
    return f"{said}; it stands {f'{occurrences} times in the context' if start is None else 'elsewhere'}"


def _occurrences(text: str, context: str) -> int:
    """How often the text stands there; two may overlap."""
    return sum(1 for _ in re.finditer(f"(?={re.escape(text)})", context))


def _question(row: Placed, context: str, path: str, report: Report) -> Question:
    place = f"{path}, line {row.line}"
    name = next((str(row[key]) for key in ("id", "query_id") if key in row), "")
    where = f"{place}, question {name}" if name else place
    text = _text(row, ("question", "query_text"), place)
    answers: tuple[GoldAnswer, ...] | None = None
    if row.get("is_impossible") is True:
        answers = ()
        if row.get("answers"):
            what = "the question is marked impossible and has answers"
            report(
                Problem(
                    "an impossible question with answers", what, where, row.line, "its answers are left out"
                )
            )
    elif row.get("answers") is not None:
        answers = read_answers(row["answers"], context, where=where, line=row.line, report=report)
    return Question(text, context, answers, name, where, row.line)


def _paragraphs(document: Any, path: str) -> Iterator[Placed]:
    articles = document.get("data") if isinstance(document, Placed) else document
    if not isinstance(articles, list):
        raise InputError("not a file of questions on passages", where=path, hint=_HINT)
    for article in articles:
        if not isinstance(article, Placed):
            raise InputError("an article is not an object", where=path, hint=_HINT)
        if "context_text" in article:
            yield article
        else:
            yield from _objects(article, "paragraphs", path)


def _objects(row: Placed, key: str, path: str) -> list[Placed]:
    values = row.get(key)
    if not isinstance(values, list) or not all(isinstance(value, Placed) for value in values):
        raise InputError(
            f"there is no list of objects under {key!r}; the object has: {', '.join(row)}",
            where=f"{path}, line {row.line}",
            hint=_HINT,
        )
    return values


def _text(row: Placed, keys: tuple[str, ...], where: str) -> str:
    for key in keys:
        if isinstance(row.get(key), str):
            text: str = row[key]
            return text
    raise InputError(f"there is no text under {keys[0]!r}; the object has: {', '.join(row)}", where=where)
