"""Strict scores of typed spans (entities, words with a part of speech), from counts alone.

A predicted span is right if its start, its end and its type are those of a span of the truth. Spans may
nest and overlap.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from erya.metrics.averages import (
    AverageScores,
    ClassScores,
    class_table,
    mean_scores,
    micro_average,
    precision_recall_f1,
)

Span = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class SpanScores:
    """Everything `SpanCounts` knows, computed.

    Attributes:
        micro: of all spans together; "span F1" without more words means this one.
        macro: plain mean over the types that occur in the truth or in the predictions.
        weighted: mean over types weighted by support.
        boundary: of starts and ends alone, whatever the type; how far `micro` is below is what types cost.
        types: one entry a type.
        confusions: (type in the truth, type predicted, how often) of spans that are right but for their type,
            the most frequent first.
        num_examples: how many texts were scored.
        right_examples: texts all of whose spans are right, with none too many.
    """

    micro: AverageScores
    macro: AverageScores
    weighted: AverageScores
    boundary: AverageScores
    types: tuple[ClassScores, ...]
    confusions: tuple[tuple[str, str, int], ...]
    num_examples: int
    right_examples: int

    def numbers(self) -> dict[str, float]:
        """The numbers a run is watched by; `precision`, `recall` and `f1` are micro averages."""
        return {**asdict(self.micro), "macro_f1": self.macro.f1}

    def to_dict(self) -> dict[str, Any]:
        """The scores as plain JSON values."""
        return {
            "examples": self.num_examples,
            "right_examples": self.right_examples,
            **asdict(self.micro),
            "macro": asdict(self.macro),
            "weighted": asdict(self.weighted),
            "boundary": asdict(self.boundary),
            "types": [asdict(scores) for scores in self.types],
            "confusions": [list(confusion) for confusion in self.confusions],
        }


class SpanCounts:
    """Counts spans of the truth, of the predictions and of both as they stream by.

    Args:
        types: types to be listed in this order even where they never occur; further ones that do occur
            follow, sorted.
    """

    def __init__(self, types: Iterable[str] = ()) -> None:
        self.types = tuple(types)
        self.right: Counter[str] = Counter()
        self.support: Counter[str] = Counter()
        self.predicted: Counter[str] = Counter()
        self.confused: Counter[tuple[str, str]] = Counter()
        self.boundaries = np.zeros(3, dtype=np.int64)  # right, predicted, in the truth
        self.num_examples = 0
        self.right_examples = 0

    def add(self, gold: Sequence[AbstractSet[Span]], predicted: Sequence[AbstractSet[Span]]) -> None:
        """Count a batch.

        Args:
            gold: the spans (start, end, type) of each text.
            predicted: those a model found in it.
        Raises:
            ValueError: there are not as many predictions as texts.
        """
        for true, found in zip(gold, predicted, strict=True):
            right = true & found
            self.right.update(kind for _, _, kind in right)
            self.support.update(kind for _, _, kind in true)
            self.predicted.update(kind for _, _, kind in found)
            self._add_boundaries(true, found)
            self._add_confusions(true - right, found - right)
            self.num_examples += 1
            self.right_examples += len(right) == len(true) == len(found)

    def scores(self) -> SpanScores:
        """What was counted so far, as scores.

        Quotients with nothing below the line are 0; the macro average leaves out types that occur neither in
        the truth nor in the predictions.

        Source: Tjong Kim Sang and De Meulder 2003, Introduction to the CoNLL-2003 Shared Task, section 2.
        """
        found = sorted((self.support.keys() | self.predicted.keys()) - set(self.types))
        names = [*self.types, *found]
        right, predicted, support = (
            _row(names, counts) for counts in (self.right, self.predicted, self.support)
        )
        table = precision_recall_f1(right, predicted, support)
        confused = sorted(self.confused.items(), key=lambda item: (-item[1], item[0]))
        return SpanScores(
            micro=micro_average(right, predicted, support),
            macro=mean_scores(table, (support + predicted) > 0),
            weighted=mean_scores(table, support),
            boundary=micro_average(*self.boundaries),
            types=class_table(names, table, predicted, support),
            confusions=tuple((true, false, count) for (true, false), count in confused),
            num_examples=self.num_examples,
            right_examples=self.right_examples,
        )

    def _add_boundaries(self, true: AbstractSet[Span], found: AbstractSet[Span]) -> None:
        places, found_places = ({span[:2] for span in spans} for spans in (true, found))
        self.boundaries += (len(places & found_places), len(found_places), len(places))

    def _add_confusions(self, missed: AbstractSet[Span], invented: AbstractSet[Span]) -> None:
        if not missed or not invented:
            return
        types_at: dict[tuple[int, int], list[str]] = {}
        for start, end, kind in invented:
            types_at.setdefault((start, end), []).append(kind)
        for start, end, kind in missed:
            self.confused.update((kind, other) for other in types_at.get((start, end), ()))


def _row(names: Sequence[str], counts: Counter[str]) -> NDArray[np.int64]:
    return np.array([counts[name] for name in names], dtype=np.int64)
