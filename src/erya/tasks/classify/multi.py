"""Several labels of a text may be true, or none: each is judged by itself, against a threshold of its own.

E examples, C labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from erya.data.records import Record
from erya.errors import InputError, nearest_hint
from erya.metrics.multilabel import MultiLabelCounts, MultiLabelScores
from erya.metrics.thresholds import f1_thresholds
from erya.tasks.classify.example import Example, read_example
from erya.tasks.classify.inputs import Targets, encode_examples, pooled
from erya.tasks.classify.task import in_order
from erya.tasks.task import Encoded, Task
from erya.tasks.texts import LengthLimit
from erya.tokenizer.any_tokenizer import AnyTokenizer

USUAL_THRESHOLD = 0.5
# A threshold found on fewer examples of a label is chance.
_FEW = 5


@dataclass(frozen=True, slots=True)
class MultiLabelPrediction:
    """The labels of one text.

    Attributes:
        text: the text as it was given.
        labels: those whose probability reaches their threshold, in the order of the task's; perhaps none.
        scores: probability of each label, each by itself.
        pair: the second text, or None.
    """

    text: str
    labels: tuple[str, ...]
    scores: dict[str, float]
    pair: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The answer as the JSON object `erya predict` prints."""
        pair = {} if self.pair is None else {"pair": self.pair}
        return {"text": self.text, **pair, "labels": list(self.labels), "scores": self.scores}


@dataclass(frozen=True, slots=True)
class MultiLabelTask:
    """Any number of `labels` for each text.

    Attributes:
        labels: label c is labels[c].
        separator: what stands between labels in a file.
        thresholds: the probability from which on each label is given, in [0, 1]; empty: a half for all.
        stride: tokens that two windows of a long text share; None takes no windows.
        pairs: whether it is pairs of texts that are classified; None: nobody knows.
    """

    labels: tuple[str, ...]
    separator: str = "|"
    thresholds: tuple[float, ...] = ()
    stride: int | None = None
    pairs: bool | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """That several labels may be true, from which probability on, and how texts are read."""
        return {
            "multi_label": True,
            "separator": self.separator,
            "thresholds": list(self.thresholds),
            "stride": self.stride,
            "pairs": self.pairs,
        }

    def read(self, record: Record) -> Example:
        """Check one row with `text`, perhaps `pair` and perhaps `label`, which holds labels or nothing.

        Raises:
            InputError: a text is empty, or a label is not one of the task's.
        """
        example = read_example(record)
        if example.label is not None:
            self.truth(example)
        return example

    def truth(self, example: Example) -> NDArray[np.bool_]:
        """Which labels are true of an example, shape (C,).

        Raises:
            InputError: a label is not one of the task's; names the nearest.
        """
        found = np.zeros(len(self.labels), dtype=bool)
        for label in split_labels(example.label or "", self.separator):
            if label not in self.labels:
                raise InputError(
                    f"unknown label {label!r}; the model knows {len(self.labels)}",
                    where=example.where,
                    hint=nearest_hint(label, self.labels),
                )
            found[self.labels.index(label)] = True
        return found

    def encode(self, examples: Sequence[Example], tokenizer: AnyTokenizer, *, limit: LengthLimit) -> Encoded:
        """Turn examples into inputs; where labels are known, target `labels`, float32, shape (C,).

        Raises:
            InputError: texts are longer than `limit` and may not be truncated, or a label is unknown.
        """
        return encode_examples(self, examples, tokenizer, limit=limit, targets=self._targets)

    def _targets(self, example: Example) -> Targets:
        return {} if example.label is None else {"labels": self.truth(example).astype(np.float32)}

    def decode(
        self, outputs: Sequence[NDArray[Any]], encoded: Encoded, examples: Sequence[Example]
    ) -> list[MultiLabelPrediction]:
        """Turn logits, of each sequence shape (C,), into labels and probabilities."""
        probabilities = sigmoid(pooled(outputs, encoded))
        given = probabilities >= (self.thresholds or USUAL_THRESHOLD)
        return [
            MultiLabelPrediction(
                text=example.text,
                labels=tuple(self.labels[c] for c in np.flatnonzero(given[row])),
                scores=dict(zip(self.labels, probabilities[row].tolist(), strict=True)),
                pair=example.pair,
            )
            for row, example in enumerate(examples)
        ]

    def tally(self) -> MultiLabelTally:
        """An empty one."""
        return MultiLabelTally(self)

    def calibration(self) -> ThresholdSearch:
        """Looks for the thresholds."""
        return ThresholdSearch(self)


class MultiLabelTally:
    """Counts of labels given and true.

    Args:
        task: whose labels there are.
    """

    def __init__(self, task: MultiLabelTask) -> None:
        self._task, self._counts = task, MultiLabelCounts(task.labels)

    def add(self, predictions: Sequence[MultiLabelPrediction], examples: Sequence[Example]) -> None:
        """Add a batch; every example says which labels are true."""
        labels = self._task.labels
        given = np.array([[label in prediction.labels for label in labels] for prediction in predictions])
        self._counts.add(np.array([self._task.truth(example) for example in examples]), given)

    def scores(self) -> MultiLabelScores:
        """The scores of all that was added."""
        return self._counts.scores()


class ThresholdSearch:
    """Finds for each label the threshold with the best F1 on the dev examples.

    Args:
        task: whose thresholds are looked for.
    """

    def __init__(self, task: MultiLabelTask) -> None:
        self._task = task
        self._scores: list[NDArray[np.float64]] = []
        self._truths: list[NDArray[np.bool_]] = []

    def add(self, outputs: Sequence[NDArray[Any]], encoded: Encoded, examples: Sequence[Example]) -> None:
        """Take note of some examples' probabilities: C numbers each."""
        self._scores.append(sigmoid(pooled(outputs, encoded)))
        self._truths.append(np.array([self._task.truth(example) for example in examples]))

    def task(self) -> MultiLabelTask:
        """The task with its thresholds; a label that few dev examples have keeps the usual one."""
        found = f1_thresholds(
            np.concatenate(self._scores),
            np.concatenate(self._truths),
            default=USUAL_THRESHOLD,
            min_positives=_FEW,
        )
        return replace(self._task, thresholds=tuple(threshold.value for threshold in found))


def split_labels(joined: str, separator: str) -> tuple[str, ...]:
    """The labels of a text, without spaces around them; each once."""
    parts: Iterable[str] = (part.strip() for part in joined.split(separator))
    return tuple(dict.fromkeys(part for part in parts if part))


def find_several(examples: Sequence[Example], separator: str) -> tuple[str, ...]:
    """The labels of examples that have any number of them, in the order of `in_order`.

    Raises:
        InputError: no example has one.
    """
    joined = (split_labels(example.label or "", separator) for example in examples)
    labels = in_order({label for several in joined for label in several})
    if not labels:
        raise InputError(
            f"none of {len(examples):,} texts has a label: there is nothing to learn",
            where=examples[0].where.rpartition(", line")[0] if examples else None,
            hint="is this the right label column?",
        )
    return labels


def sigmoid(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """1 / (1 + exp(-x)) in float64, safe for large logits."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits.astype(np.float64))))


if TYPE_CHECKING:
    _: Task[Example, MultiLabelPrediction] = MultiLabelTask(())
