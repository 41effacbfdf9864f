"""What the report asks of a task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from erya.evaluate.measures import ClassCounts, Measure, Values
from erya.evaluate.outcome import Outcome
from erya.metrics.averages import divide


@dataclass(frozen=True, slots=True)
class Words:
    """How the page speaks of a task.

    Attributes:
        item: what the file is made of, in the plural: texts, pairs, questions.
        text: heading of the text that marks lie in.
        pair: heading of the second text.
        classes: heading of the table of classes.
        claim: what the model says with a probability, in the plural: answers, entities.
        right: what the share of right claims is called.
    """

    item: str = "texts"
    text: str = "text"
    pair: str = "second text"
    classes: str = "Classes"
    claim: str = "answers"
    right: str = "accuracy"


class Adapter(Protocol):
    """One task's examples and predictions as outcomes and measures."""

    @property
    def words(self) -> Words:
        """How the page speaks of the task."""
        ...

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The measures, the first of which is the one that parts of the file are compared by."""
        ...

    @property
    def classes(self) -> tuple[str, ...]:
        """What has a precision and a recall of its own; empty where nothing has."""
        ...

    @property
    def class_counts(self) -> ClassCounts | None:
        """Where their counts stand; None where there are no classes."""
        ...

    @property
    def cells(self) -> tuple[str, ...]:
        """Names of the rows and columns of the confusion matrix; empty where there is none."""
        ...

    @property
    def scatter(self) -> tuple[int, int, int] | None:
        """Of tasks that give numbers, which counts are: that there are any, the truth, the model's score."""
        ...

    @property
    def judges_each(self) -> bool:
        """Whether one example by itself is right or wrong; of vectors only all together are good or bad."""
        ...

    def outcome(self, example: Any, prediction: Any) -> Outcome:
        """Compare one answer with the truth its example carries."""
        ...


def outcomes(adapter: Adapter, examples: Sequence[Any], predictions: Sequence[Any]) -> Iterator[Outcome]:
    """The outcome of each example."""
    for example, prediction in zip(examples, predictions, strict=True):
        yield adapter.outcome(example, prediction)


def class_table(adapter: Adapter, sums: Values) -> list[Mapping[str, Any]]:
    """Precision, recall, F1, support and number of answers of each class, from summed counts, shape (K,)."""
    if adapter.class_counts is None:
        return []
    hits, alarms, misses = adapter.class_counts.split(sums)
    columns = (
        divide(hits, hits + alarms),
        divide(hits, hits + misses),
        adapter.class_counts.class_f1(sums),
        hits + misses,
        hits + alarms,
    )
    return [
        {"label": label, "precision": p, "recall": r, "f1": f, "support": int(s), "predicted": int(n)}
        for label, p, r, f, s, n in zip(
            adapter.classes, *(column.tolist() for column in columns), strict=True
        )
    ]
