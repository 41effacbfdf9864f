"""Examples of every kind in one form, so that a check is written once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from erya.data.problems import Problem
from erya.tasks.preflight.findings import Place


@dataclass(frozen=True, slots=True)
class MarkedSpan:
    """A stretch of one of an example's texts.

    Attributes:
        start: its first character; -1 where the file does not say rightly.
        end: the character after its last.
        type: what it is.
        said: the characters the file says it has; None where it does not say.
    """

    start: int
    end: int
    type: str
    said: str | None = None


@dataclass(frozen=True, slots=True)
class View:
    """An example as the checks see it.

    Attributes:
        texts: what the network reads, one text or several.
        labels: the classes it counts for.
        truth: what two examples of the same texts must agree in; None where nothing is known.
        spans: what is marked in the last of the texts.
        where: file and line.
        line: the line it begins on.
        problems: what reading it left out.
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    truth: Hashable
    spans: tuple[MarkedSpan, ...]
    where: str
    line: int
    problems: tuple[Problem, ...] = ()

    def place(self, file: str, what: str = "") -> Place:
        """Where it stands in the file of that name; with what is said of it, and what the file calls it."""
        name = self.where.rpartition(f"line {self.line}")[2].lstrip(", ")
        return Place(file, self.line, ": ".join(part for part in (name, what) if part))

    @property
    def shown(self) -> str:
        """Its texts, for a person."""
        return " | ".join(self.texts)


def views_of(kind: str, examples: Iterable[Any], *, separator: str | None = None) -> list[View]:
    """The views of examples of a kind.

    Args:
        kind: whose examples these are.
        examples: as the kind reads them.
        separator: what stands between several labels of a text; None where it has one.
    """
    view = _VIEWS[kind]
    views = [view(example) for example in examples]
    return views if separator is None else [_separated(each, separator) for each in views]


def _separated(view: View, separator: str) -> View:
    """The view of a text whose labels stand together in one field."""
    parts = (part.strip() for label in view.labels for part in label.split(separator))
    labels = tuple(part for part in parts if part)
    return replace(view, labels=labels, truth=frozenset(labels))


def _classify(example: Any) -> View:
    texts = (example.text,) if example.pair is None else (example.text, example.pair)
    labels: tuple[str, ...] = () if example.label is None else (example.label,)
    if example.sets is not None:
        labels = tuple(f"{name}: {label}" for name, label in example.sets.items())
    return View(texts, labels, frozenset(labels) or None, (), example.where, example.line)


def _tag(example: Any) -> View:
    spans = tuple(MarkedSpan(one.start, one.end, one.type) for one in example.entities or ())
    truth = None if example.entities is None else frozenset(spans)
    labels = tuple(span.type for span in spans)
    return View((example.text,), labels, truth, spans, example.where, example.line, example.problems)


def _answer(example: Any) -> View:
    answers = example.answers
    spans = tuple(MarkedSpan(one.start, one.end, "answer", one.text) for one in answers or ())
    labels = () if answers is None else ("with an answer" if answers else "without an answer",)
    truth = None if answers is None else frozenset(one.text for one in answers)
    return View((example.question, example.context), labels, truth, spans, example.where, example.line)


def _match(example: Any) -> View:
    target = example.target
    labels = () if target is None else (str(target),)
    return View((example.text, example.pair), labels, target, (), example.where, example.line)


def _embed(example: Any) -> View:
    texts = (example.text, *(() if example.pair is None else (example.pair,)), *example.negatives)
    return View(texts, (), example.score, (), example.where, example.line)


_VIEWS: Mapping[str, Callable[[Any], View]] = {
    "classify": _classify,
    "tag": _tag,
    "answer": _answer,
    "match": _match,
    "embed": _embed,
}
