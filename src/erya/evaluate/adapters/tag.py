"""Tagging as outcomes: entities as claims, counts of types, stretches to mark."""

from __future__ import annotations

import numpy as np

from erya.evaluate.adapters.adapter import Words
from erya.evaluate.measures import ClassCounts, Measure, ratio
from erya.evaluate.outcome import Claim, Mark, Outcome
from erya.tasks.tag.reading import Entity, Example
from erya.tasks.tag.task import Prediction, TagTask

_TEXTS, _RIGHT, _TYPES = 0, 1, 2
# How bad a missed entity is; an invented one is as bad as the model was sure of it.
_MISSED = 0.5
_NOTHING = "nothing"
_AROUND = 12


class TagAdapter:
    """Entities, right where bounds and type are.

    Args:
        task: whose types there are.
    """

    def __init__(self, task: TagTask) -> None:
        self._task = task
        self.classes = tuple(task.types)
        self._index = {name: number for number, name in enumerate(self.classes)}
        self.class_counts = ClassCounts(_TYPES, len(self.classes))
        self.cells = (*self.classes, _NOTHING)
        self.scatter = None
        self.judges_each = True
        self.words = Words(classes="Types", claim="entities", right="precision")
        micro = self.class_counts.micro
        self.measures = (
            Measure("f1", "F1", of_sums=lambda sums: micro(sums)[2]),
            Measure("precision", "precision", of_sums=lambda sums: micro(sums)[0]),
            Measure("recall", "recall", of_sums=lambda sums: micro(sums)[1]),
            Measure("macro_f1", "macro F1", of_sums=self.class_counts.macro_f1),
            ratio("exact_texts", "texts without a mistake", _RIGHT, _TEXTS),
        )

    def outcome(self, example: Example, prediction: Prediction) -> Outcome:
        """Compare the entities of one text.

        Raises:
            InputError: the truth has a type the model does not know.
        """
        self._task.require_types(example)
        gold = {_mark(entity) for entity in example.entities or ()}
        found = {_mark(entity) for entity in prediction.entities}
        claims = tuple(Claim(entity.score, _mark(entity) in gold) for entity in prediction.entities)
        cells = self._cells(gold, found)
        invented = sum(claim.probability for claim in claims if not claim.is_right)
        return Outcome(
            line=example.line,
            text=example.text,
            pair=None,
            truth=_in_words(example.text, gold),
            predicted=_in_words(example.text, found),
            is_right=gold == found,
            severity=invented + _MISSED * len(gold - found),
            counts=self._counts(gold, found),
            claims=claims,
            num_true=len(gold),
            cells=tuple(cell for cell, _ in cells),
            cell_texts=tuple(_around(example.text, mark) for _, mark in cells),
            gold=tuple(sorted(gold, key=_place)),
            found=tuple(sorted(found, key=_place)),
        )

    def _counts(self, gold: set[Mark], found: set[Mark]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        size = len(self.classes)
        counts = np.zeros(_TYPES + 3 * size)
        counts[_TEXTS], counts[_RIGHT] = 1, gold == found
        for start, marks in ((0, gold & found), (size, found - gold), (2 * size, gold - found)):
            for mark in marks:
                counts[_TYPES + start + self._index[mark.name]] += 1
        return counts

    def _cells(self, gold: set[Mark], found: set[Mark]) -> list[tuple[tuple[int, int], Mark]]:
        """What each entity was taken for, by its bounds; and where it stands."""
        nothing = len(self.classes)
        cells = [((self._index[mark.name],) * 2, mark) for mark in gold & found]
        left = {(mark.start, mark.end): mark for mark in found - gold}
        for mark in sorted(gold - found, key=_place):
            answer = left.pop((mark.start, mark.end), None)
            cells.append(
                ((self._index[mark.name], nothing if answer is None else self._index[answer.name]), mark)
            )
        return cells + [((nothing, self._index[mark.name]), mark) for mark in left.values()]


def _around(text: str, mark: Mark) -> str:
    """An entity with what stands about it."""
    before = text[max(mark.start - _AROUND, 0) : mark.start]
    return f"{before}【{text[mark.start : mark.end]}】{text[mark.end : mark.end + _AROUND]}"


def _mark(entity: Entity) -> Mark:
    return Mark(entity.start, entity.end, entity.type)


def _place(mark: Mark) -> tuple[int, int, str]:
    return mark.start, mark.end, mark.name


def _in_words(text: str, marks: set[Mark]) -> str:
    shown = [f"{mark.name} {text[mark.start : mark.end]}" for mark in sorted(marks, key=_place)]
    return "、".join(shown) or _NOTHING
