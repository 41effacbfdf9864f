"""Texts and their entities from files of any layout, and what is wrong with the entities that stand there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from erya.data.annotations.annotated import Annotated, read_entities
from erya.data.annotations.annotated import Entity as Place
from erya.data.annotations.cluener import read_cluener
from erya.data.annotations.conll import read_conll
from erya.data.annotations.detection import detect_layout
from erya.data.annotations.doccano import read_doccano
from erya.data.annotations.label_studio import read_label_studio
from erya.data.annotations.tags import UNTYPED
from erya.data.problems import Problem, Problems, refuse
from erya.data.records import Record, read_records
from erya.errors import InputError
from erya.tasks.tag.recipe import BadEntities

_USUAL = {"text": "text", "entities": "entities", "words": "words", "tags": "tags", "column": "-1"}


@dataclass(frozen=True, slots=True)
class Entity:
    """A stretch of a text with a type.

    Attributes:
        start: its first character.
        end: the character after its last.
        type: what it is.
        text: the characters between.
        score: how probable it is, in [0, 1]; 1 of the truth.
    """

    start: int
    end: int
    type: str
    text: str
    score: float = 1.0

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "start": self.start,
            "end": self.end,
            "type": self.type,
            "text": self.text,
            "score": self.score,
        }


@dataclass(frozen=True, slots=True)
class Example:
    """One text.

    Attributes:
        text: every character of it.
        entities: the truth, in order; None where nobody said.
        where: file and line, for messages.
        line: the line it begins on, or its number where there is no file.
        problems: what is wrong with entities that are not among `entities`.
    """

    text: str
    entities: tuple[Entity, ...] | None
    where: str
    line: int
    problems: tuple[Problem, ...] = ()


def read_examples(path: Path, *, columns: Mapping[str, str], labelled: bool) -> Iterator[Example]:
    """Read a file: CoNLL lines, CLUENER, doccano, Label Studio, or rows with a text or words.

    Args:
        path: the file; its first lines say what it is.
        columns: for `text`, `entities`, `words` and `tags` the key of rows, for `column` that of CoNLL lines.
        labelled: whether entities are wanted.
    Raises:
        InputError: the file or a row cannot be used, or has no entities although they are wanted. Those that
            do not fit their text are left out, see `Example.problems`.
    """
    names = {**_USUAL, **columns}
    layout = detect_layout(path)
    if layout == "squad":
        raise InputError(
            "the file holds questions, not entities", where=str(path), hint="erya finetune answer"
        )
    rows = ("text", "entities")
    if layout == "records" or (layout == "doccano" and any(names[name] != _USUAL[name] for name in rows)):
        yield from _from_rows(path, names, labelled=labelled)
        return
    found: list[Problem] = []
    for row in _annotated(path, layout, names, found):
        problems, found[:] = tuple(found), []
        yield _example(row.text, row.entities, row.where, row.line, problems, labelled=labelled)


def example_of(record: Record) -> Example:
    """Check one row with `text`, or the list `words`, and perhaps the lists `entities` or `tags`.

    Raises:
        InputError: there is no text, or it is empty although there are entities, or a list of none.
    """
    found: list[Problem] = []
    where, line, data = record.where, record.line, record.data
    if "words" in data:
        text, places = _of_words(data["words"], data.get("tags"), where)
    elif "text" in record.values:
        text, places = record.values["text"], None
    else:
        raise InputError("there is neither a text nor a list of words", where=where)
    if "entities" in data:
        places = read_entities(data["entities"], text, where=where, line=line, report=found.append)
    return _example(text, places, where, line, tuple(found), labelled="entities" in data or "words" in data)


def require_fit(examples: Sequence[Example], bad: BadEntities) -> list[str]:
    """Refuse entities that do not fit their text, or say how many are left out.

    Raises:
        InputError: there is one, and `bad` does not say to skip it.
    """
    problems = Problems()
    for example in examples:
        for problem in example.problems:
            if bad == "refuse":
                _refuse(problem)
            problems.note(problem)
    return [f"warning: {line}" for line in problems.lines()]


def _refuse(problem: Problem) -> None:
    try:
        refuse(problem)
    except InputError as error:
        raise InputError(
            error.what, where=error.where, hint=f"mend it; with bad_entities=skip {problem.done}"
        ) from None


def _annotated(
    path: Path, layout: str, names: Mapping[str, str], found: list[Problem]
) -> Iterator[Annotated]:
    if layout == "conll":
        return read_conll(path, tag_column=int(names["column"]), report=found.append)
    if layout == "cluener":
        return read_cluener(path, report=found.append)
    if layout == "label_studio":
        return read_label_studio(path, text=names["text"], report=found.append)
    return read_doccano(path, report=found.append)


def _from_rows(path: Path, names: Mapping[str, str], *, labelled: bool) -> Iterator[Example]:
    fields = ("text", "entities", "words", "tags") if labelled else ("text", "words")
    lists = ("entities", "words", "tags")
    for record in read_records(
        path, columns={field: names[field] for field in fields}, structured=lists, optional=fields
    ):
        example = example_of(record)
        if not labelled:
            example = replace(example, entities=None, problems=())
        elif example.entities is None:
            raise InputError(
                f"there are neither {names['entities']!r} nor {names['words']!r}",
                where=example.where,
                hint='{"text": "...", "entities": [{"start": 0, "end": 2, "type": "PER"}]}, with [] for none',
            )
        yield example


def _example(
    text: str,
    places: Sequence[Place] | None,
    where: str,
    line: int,
    problems: tuple[Problem, ...],
    *,
    labelled: bool,
) -> Example:
    if not labelled:
        return Example(text, None, where, line)
    if not text.strip():
        raise InputError("the text is empty", where=where)
    if places is None and not problems:
        raise InputError("the row says nothing of entities", where=where, hint="an empty list means none")
    entities = [
        Entity(place.start, place.end, place.type, text[place.start : place.end]) for place in places or ()
    ]
    return Example(text, tuple(entities), where, line, problems)


def _of_words(words: Any, tags: Any, where: str) -> tuple[str, tuple[Place, ...]]:
    """The text of words, and each of them as an entity of its tag's type."""
    if not isinstance(words, list) or not all(isinstance(word, str) and word for word in words):
        raise InputError("the words are no list of words", where=where, hint='["我", "在", "北京"]')
    given = [UNTYPED] * len(words) if tags is None else tags
    if not isinstance(given, list) or len(given) != len(words) or not all(isinstance(t, str) for t in given):
        raise InputError(f"the tags are no list of {len(words)} tags, one a word", where=where)
    places, end = [], 0
    for word, tag in zip(words, given, strict=True):
        start, end = end, end + len(word)
        if word.strip():
            places.append(Place(start, end, tag))
    return "".join(words), tuple(places)
