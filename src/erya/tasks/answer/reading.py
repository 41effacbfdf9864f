"""Questions and their contexts from files, and what is wrong with the answers that stand there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from erya.data.annotations.detection import detect_layout
from erya.data.annotations.squad import GoldAnswer, read_answers, read_squad
from erya.data.problems import Problem, refuse
from erya.data.records import Record, read_records
from erya.errors import InputError
from erya.tasks.answer.recipe import BadAnswers

MISPLACED = "an answer not at its place"
_SHOWN = 5
_LONGEST = 30


@dataclass(frozen=True, slots=True)
class Example:
    """One question.

    Attributes:
        question: what is asked.
        context: where the answer stands.
        answers: the answers, any of which is right; empty where the context has none, None where nobody said.
            One whose place the file does not say rightly starts at -1: only its text is known.
        id: what the file calls the question; empty where it has no name.
        where: file, line and name, for messages.
        line: the line it begins on, or its number where there is no file.
    """

    question: str
    context: str
    answers: tuple[GoldAnswer, ...] | None
    id: str
    where: str
    line: int


def read_questions(path: Path, *, columns: Mapping[str, str], labelled: bool) -> Iterator[Example]:
    """Read a file.

    Args:
        path: a JSON document as SQuAD, CMRC 2018 and DRCD have it, or rows (.jsonl, .tsv, .csv, .parquet)
            with `question`, `context` and `answers`: a list of texts with their starts.
        columns: for `question`, `context` and `answers`, the column of such rows.
        labelled: whether the answers are wanted.
    Raises:
        InputError: the file or a row cannot be used; says where. Answers that are not where the file says
            are read, see `Example`.
    """
    if detect_layout(path) == "squad":
        for row in read_squad(path, report=_note):
            answers = row.answers if labelled else None
            example = Example(row.question, row.context, answers, row.id, row.where, row.line)
            yield _checked(example, labelled=labelled)
        return
    wanted = {field: column for field, column in columns.items() if labelled or field != "answers"}
    names = {**wanted, "id": "id"}
    for record in read_records(path, columns=names, structured=("answers",), optional=("id",)):
        yield example_of(record)


def example_of(record: Record) -> Example:
    """Check one row with the fields `question`, `context` and perhaps `answers` and `id`.

    Raises:
        InputError: the question or the context is empty, or the answers are no answers.
    """
    context, answers = record.values["context"], None
    if "answers" in record.data:
        answers = read_answers(
            record.data["answers"], context, where=record.where, line=record.line, report=_note
        )
    example = Example(
        record.values["question"], context, answers, record.values.get("id", ""), record.where, record.line
    )
    return _checked(example, labelled="answers" in record.data)


def places_of(example: Example, bad_answers: BadAnswers) -> list[tuple[int, int]]:
    """Where the answers of an example stand, as far as that is known.

    Args:
        example: with its truth.
        bad_answers: `mend` looks for the text of an answer that is not at its place.
    """
    places = []
    for answer in example.answers or ():
        if answer.is_placed:
            places.append((answer.start, answer.end))
        elif bad_answers == "mend" and _occurs_once(answer, example):
            start = example.context.index(answer.text)
            places.append((start, start + len(answer.text)))
    return places


def check_answers(examples: Sequence[Example], bad_answers: BadAnswers, *, name: str) -> list[str]:
    """Find the answers that are not at their place, and say what is done about them.

    Args:
        examples: with their truth.
        bad_answers: whether they are refused, and otherwise what is done.
        name: what the examples are, for the lines.
    Returns:
        The lines to be told; none where nothing is wrong.
    Raises:
        InputError: there are some, and they are refused; says how many and where.
    """
    bad = [(e, answer) for e in examples for answer in e.answers or () if not answer.is_placed]
    if not bad:
        return []
    shown = "; ".join(f"{e.where}: {_said(answer, e.context)}" for e, answer in bad[:_SHOWN])
    more = f"; and {len(bad) - _SHOWN:,} more" if len(bad) > _SHOWN else ""
    mendable = sum(_occurs_once(answer, e) for e, answer in bad)
    if bad_answers == "refuse":
        raise InputError(
            f"{len(bad):,} answers are not in their context where the file says",
            where=shown + more,
            hint=f"mend them, or choose bad_answers=mend ({mendable:,} occur once in their context and get "
            "that place, the rest are left out) or bad_answers=skip (all are left out)",
        )
    mended = mendable if bad_answers == "mend" else 0
    return [
        f"{name}: {len(bad):,} answers are not where the file says: {mended:,} mended, {len(bad) - mended:,} "
        f"not learnt from (their text still counts as right): {shown}{more}"
    ]


def _occurs_once(answer: GoldAnswer, example: Example) -> bool:
    """Whether there is one place only where the text stands; two may overlap."""
    first = example.context.find(answer.text)
    return first >= 0 and example.context.find(answer.text, first + 1) < 0


def _said(answer: GoldAnswer, context: str) -> str:
    text = answer.text if len(answer.text) <= _LONGEST else answer.text[:_LONGEST] + "…"
    number = context.count(answer.text)
    return f"{text!r} occurs {number} times" if number else f"{text!r} is not in the context"


def _note(problem: Problem) -> None:
    """Answers out of place are dealt with when all are known; anything else is refused."""
    if problem.kind != MISPLACED:
        refuse(problem)


def _checked(example: Example, *, labelled: bool) -> Example:
    for field, text in (("question", example.question), ("context", example.context)):
        if not text.strip():
            raise InputError(f"the {field} is empty", where=f"{example.where}, field {field!r}")
    if labelled and example.answers is None:
        raise InputError(
            "there are no answers", where=example.where, hint="answers: [] says that the context has none"
        )
    return example
