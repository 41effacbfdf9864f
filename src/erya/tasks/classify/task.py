"""Classification without the network: reading, encoding, decoding, scoring.

C classes, S examples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from erya.data.features import Features
from erya.data.records import Record
from erya.errors import InputError, nearest_hint
from erya.metrics.classification import ClassificationScores, ConfusionCounts
from erya.tasks.task import Encoded, Task
from erya.tasks.texts import LengthLimit, encode_texts
from erya.tokenizer.any_tokenizer import AnyTokenizer


@dataclass(frozen=True, slots=True)
class Example:
    """One text to classify.

    Attributes:
        text: the text, or the first of a pair.
        pair: the second text, or None.
        label: the truth, or None where it is not known.
        where: file and line, for messages.
        line: the line it begins on, or its number where there is no file.
    """

    text: str
    pair: str | None
    label: str | None
    where: str
    line: int


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one text.

    Attributes:
        text: the text as it was given.
        label: the likeliest class.
        scores: probability of each class, summing to 1, in the order of the labels.
        pair: the second text, or None.
    """

    text: str
    label: str
    scores: dict[str, float]
    pair: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The answer as the JSON object `erya predict` prints."""
        pair = {} if self.pair is None else {"pair": self.pair}
        return {"text": self.text, **pair, "label": self.label, "scores": self.scores}


@dataclass(frozen=True, slots=True)
class ClassifyTask:
    """Classification into `labels`.

    Attributes:
        labels: class c is labels[c].
    """

    labels: tuple[str, ...]

    @property
    def settings(self) -> dict[str, Any]:
        """Nothing: the labels say it all."""
        return {}

    def read(self, record: Record) -> Example:
        """Check one row with the fields `text` and perhaps `pair` and `label`.

        Raises:
            InputError: the text is empty, or the label is not one of the task's.
        """
        example = read_example(record)
        if example.label is not None:
            self.index(example.label, where=record.where)
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
        """Turn examples into inputs, one each; where the label is known, target `labels`, int64, shape ().

        Raises:
            InputError: texts are longer than `limit` and may not be truncated, a label is unknown, or only
                some of the examples are pairs.
        """
        pairs = _pairs_of(examples)
        places = [example.where for example in examples]
        encodings, report = encode_texts(
            [e.text for e in examples], pairs, tokenizer, limit=limit, places=places
        )
        features = [
            Features(encoding.ids, encoding.type_ids, self._targets(example))
            for encoding, example in zip(encodings, examples, strict=True)
        ]
        return Encoded(features, np.arange(len(features)), encodings, report)

    def decode(
        self, outputs: Sequence[NDArray[Any]], encoded: Encoded, examples: Sequence[Example]
    ) -> list[Prediction]:
        """Turn logits, of each sequence shape (C,), into labels and probabilities."""
        probabilities = softmax(np.stack(outputs))
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
        truth = [self._task.index(example.label or "", where=example.where) for example in examples]
        self._counts.add(truth, [self._task.labels.index(prediction.label) for prediction in predictions])

    def scores(self) -> ClassificationScores:
        """The scores of all that was added."""
        return self._counts.scores()


def read_example(record: Record) -> Example:
    """Check one row of which the labels are not known yet.

    Raises:
        InputError: a row with a label has an empty text, second text or label. Without one an empty text is
            no mistake: who asks for line after line gets an answer for each.
    """
    for field, value in record.values.items():
        if "label" in record.values and not value.strip():
            raise InputError(f"the {field} is empty", where=f"{record.where}, field {field!r}")
    values = record.values
    return Example(values["text"], values.get("pair"), values.get("label"), record.where, record.line)


def find_labels(examples: Sequence[Example]) -> tuple[str, ...]:
    """The classes of labelled examples: by number where all are whole numbers, otherwise by code point.

    Raises:
        InputError: all examples have the same label.
    """
    counts = Counter(example.label for example in examples if example.label is not None)
    if len(counts) < 2:
        only = next(iter(counts), None)
        raise InputError(
            f"all {len(examples):,} texts have the same label {only!r}: there is nothing to tell apart",
            where=examples[0].where.rpartition(", line")[0] if examples else None,
            hint="is this the right label column? otherwise the file needs texts of another class",
        )
    return tuple(sorted(counts, key=_number_or_text))


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Probabilities over the last axis, in float64, safe for large logits."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    powers = np.exp(shifted)
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _number_or_text(label: str) -> tuple[int, int, str]:
    """Whole numbers first and by value, so that 10 stands after 9; then the rest."""
    is_number = label.isascii() and label.removeprefix("-").isdigit()
    return (0, int(label), label) if is_number else (1, 0, label)


def _pairs_of(examples: Sequence[Example]) -> list[str] | None:
    pairs = [example.pair for example in examples if example.pair is not None]
    if pairs and len(pairs) != len(examples):
        single = next(example for example in examples if example.pair is None)
        raise InputError("some texts have a second text and some have none", where=single.where)
    return pairs or None


if TYPE_CHECKING:
    _: Task[Example, Prediction] = ClassifyTask(())
