"""Classification without the network: reading, encoding, decoding, scoring.

C classes, S examples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from erya.data.records import Record
from erya.errors import InputError, nearest_hint
from erya.metrics.classification import ClassificationScores, ConfusionCounts
from erya.tasks.classify.example import Example, Prediction, read_example, require_label
from erya.tasks.classify.inputs import encode_examples, pooled
from erya.tasks.task import Encoded, Task
from erya.tasks.texts import LengthLimit
from erya.tokenizer.any_tokenizer import AnyTokenizer


@dataclass(frozen=True, slots=True)
class ClassifyTask:
    """Classification into `labels`.

    Attributes:
        labels: class c is labels[c].
        stride: tokens that two windows of a long text share; None takes no windows.
        pairs: whether it is pairs of texts that are classified; None: nobody knows.
    """

    labels: tuple[str, ...]
    stride: int | None = None
    pairs: bool | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """How texts are read; the labels say the rest."""
        return {"stride": self.stride, "pairs": self.pairs}

    def read(self, record: Record) -> Example:
        """Check one row with the fields `text` and perhaps `pair` and `label`.

        Raises:
            InputError: the text is empty, or the label is not one of the task's.
        """
        example = read_example(record)
        if example.label is not None:
            self.index(require_label(example), where=record.where)
        return example

    def index(self, label: str, *, where: str) -> int:
        """The number of a class.

        Raises:
            InputError: there is no such class; names the nearest.
        """
        try:
            return self.labels.index(label)
        except ValueError:
            raise InputError(
                f"unknown label {label!r}; the model knows {', '.join(self.labels)}",
                where=where,
                hint=nearest_hint(label, self.labels),
            ) from None

    def encode(self, examples: Sequence[Example], tokenizer: AnyTokenizer, *, limit: LengthLimit) -> Encoded:
        """Turn examples into inputs; where the label is known, target `labels`, int64, shape ().

        Raises:
            InputError: texts are longer than `limit` and may not be truncated, a label is unknown, or only
                some of the examples are pairs.
        """
        return encode_examples(self, examples, tokenizer, limit=limit, targets=self._targets)

    def decode(
        self, outputs: Sequence[NDArray[Any]], encoded: Encoded, examples: Sequence[Example]
    ) -> list[Prediction]:
        """Turn logits, of each sequence shape (C,), into labels and probabilities; of windows their mean."""
        probabilities = softmax(pooled(outputs, encoded))
        return [
            Prediction(
                text=example.text,
                label=self.labels[int(row.argmax())],
                scores=dict(zip(self.labels, row.tolist(), strict=True)),
                pair=example.pair,
            )
            for example, row in zip(examples, probabilities, strict=True)
        ]

    def tally(self) -> ClassifyTally:
        """An empty one."""
        return ClassifyTally(self)

    def _targets(self, example: Example) -> dict[str, NDArray[np.generic]]:
        if example.label is None:
            return {}
        return {"labels": np.array(self.index(example.label, where=example.where), dtype=np.int64)}


class ClassifyTally:
    """Counts of answers against truths: C x C integers, whatever the number of texts.

    Args:
        task: whose labels there are.
    """

    def __init__(self, task: ClassifyTask) -> None:
        self._task, self._counts = task, ConfusionCounts(task.labels)

    def add(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> None:
        """Add a batch; every example has a label."""
        self.add_labels([prediction.label for prediction in predictions], examples)

    def add_labels(self, answers: Sequence[str], examples: Sequence[Example]) -> None:
        """The same, for answers that are labels alone."""
        truth = [self._task.index(example.label or "", where=example.where) for example in examples]
        self._counts.add(truth, [self._task.labels.index(answer) for answer in answers])

    def scores(self) -> ClassificationScores:
        """The scores of all that was added."""
        return self._counts.scores()


def find_labels(examples: Sequence[Example]) -> tuple[str, ...]:
    """The classes of labelled examples: by number where all are whole numbers, otherwise by code point.

    Raises:
        InputError: a label is empty, or all examples have the same label.
    """
    counts = Counter(require_label(example) for example in examples if example.label is not None)
    if len(counts) < 2:
        only = next(iter(counts), None)
        raise InputError(
            f"all {len(examples):,} texts have the same label {only!r}: there is nothing to tell apart",
            where=examples[0].where.rpartition(", line")[0] if examples else None,
            hint="is this the right label column? otherwise the file needs texts of another class",
        )
    return in_order(counts)


def in_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Labels by number where they are whole numbers, then the others by code point."""
    return tuple(sorted(labels, key=_number_or_text))


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Probabilities over the last axis, in float64, safe for large logits."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    powers = np.exp(shifted)
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _number_or_text(label: str) -> tuple[int, int, str]:
    """Whole numbers first and by value, so that 10 stands after 9; then the rest."""
    is_number = label.isascii() and label.removeprefix("-").isdigit()
    return (0, int(label), label) if is_number else (1, 0, label)


if TYPE_CHECKING:
    _: Task[Example, Prediction] = ClassifyTask(())
