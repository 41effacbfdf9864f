"""Several sets of labels at once on one encoder: the polarity of a review, and its topic.

C outputs of all sets together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from erya.data.records import Record
from erya.metrics.classification import ClassificationScores
from erya.tasks.classify.example import Example, read_example
from erya.tasks.classify.inputs import Targets, encode_examples, pooled
from erya.tasks.classify.task import ClassifyTally, ClassifyTask, softmax
from erya.tasks.task import Encoded, Task
from erya.tasks.texts import LengthLimit
from erya.tokenizer.any_tokenizer import AnyTokenizer

Answer = tuple[str, Mapping[str, float]]
# Between the name of a set and a label of it, where labels of all sets stand in one row.
_OF = "/"


@dataclass(frozen=True, slots=True)
class SetsPrediction:
    """The answers for one text.

    Attributes:
        text: the text as it was given.
        sets: for each set of labels the likeliest label and the probability of each.
        pair: the second text, or None.
    """

    text: str
    sets: Mapping[str, Answer]
    pair: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The answers as the JSON object `erya predict` prints."""
        pair = {} if self.pair is None else {"pair": self.pair}
        answers = {
            name: {"label": label, "scores": dict(scores)} for name, (label, scores) in self.sets.items()
        }
        return {"text": self.text, **pair, **answers}


@dataclass(frozen=True, slots=True)
class SetsScores:
    """The scores of each set of labels."""

    sets: Mapping[str, ClassificationScores]

    def numbers(self) -> dict[str, float]:
        """Of each set, with its name; and the mean over the sets, which a run is watched by."""
        each = {name: scores.numbers() for name, scores in self.sets.items()}
        keys = next(iter(each.values()))
        means = {key: float(np.mean([numbers[key] for numbers in each.values()])) for key in keys}
        return means | {f"{key}_{name}": each[name][key] for name in each for key in keys}

    def to_dict(self) -> dict[str, Any]:
        """Everything, as plain JSON values."""
        return {name: scores.to_dict() for name, scores in self.sets.items()}


class SetsTally:
    """Counts of answers against truths, for each set.

    Args:
        tasks: of each set.
    """

    def __init__(self, tasks: Mapping[str, ClassifyTask]) -> None:
        self._tallies = {name: ClassifyTally(task) for name, task in tasks.items()}

    def add(self, predictions: Sequence[SetsPrediction], examples: Sequence[Example]) -> None:
        """Add a batch; every example has a label of every set."""
        for name, tally in self._tallies.items():
            truths = [replace(example, label=(example.sets or {}).get(name)) for example in examples]
            tally.add_labels([prediction.sets[name][0] for prediction in predictions], truths)

    def scores(self) -> SetsScores:
        """The scores of all that was added."""
        return SetsScores({name: tally.scores() for name, tally in self._tallies.items()})


@dataclass(frozen=True, slots=True)
class LabelSetsTask:
    """One label of each of several sets for every text.

    Attributes:
        sets: the labels of each set, two or more.
        stride: tokens that two windows of a long text share; None takes no windows.
        pairs: whether it is pairs of texts that are classified; None: nobody knows.
    """

    sets: Mapping[str, tuple[str, ...]]
    stride: int | None = None
    pairs: bool | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """Those of all sets in a row, each after the name of its set."""
        return tuple(f"{name}{_OF}{label}" for name, labels in self.sets.items() for label in labels)

    @property
    def settings(self) -> dict[str, Any]:
        """The sets, and how long texts are read."""
        sets = {name: list(labels) for name, labels in self.sets.items()}
        return {"sets": sets, "stride": self.stride, "pairs": self.pairs}

    @property
    def tasks(self) -> dict[str, ClassifyTask]:
        """A task for each set."""
        return {name: ClassifyTask(labels) for name, labels in self.sets.items()}

    def read(self, record: Record) -> Example:
        """Check one row with `text`, perhaps `pair`, and perhaps a field `label:NAME` for each set.

        Raises:
            InputError: a text is empty, or a label is not one of its set's.
        """
        example = read_example(record)
        if example.sets is not None:
            self.check(example)
        return example

    def check(self, example: Example) -> None:
        """Make sure that each label is one of its set's.

        Raises:
            InputError: one is not; names the nearest.
        """
        for name, task in self.tasks.items():
            task.index((example.sets or {}).get(name, ""), where=f"{example.where}, label {name!r}")

    def encode(self, examples: Sequence[Example], tokenizer: AnyTokenizer, *, limit: LengthLimit) -> Encoded:
        """Turn examples into inputs; where labels are known, target `labels`, int64, shape (sets,).

        Raises:
            InputError: texts are longer than `limit` and may not be truncated, or a label is unknown.
        """
        return encode_examples(self, examples, tokenizer, limit=limit, targets=self._targets)

    def _targets(self, example: Example) -> Targets:
        if example.sets is None:
            return {}
        places = [
            task.index(example.sets.get(name, ""), where=f"{example.where}, label {name!r}")
            for name, task in self.tasks.items()
        ]
        return {"labels": np.array(places, dtype=np.int64)}

    def decode(
        self, outputs: Sequence[NDArray[Any]], encoded: Encoded, examples: Sequence[Example]
    ) -> list[SetsPrediction]:
        """Turn logits, of each sequence shape (C,), into a label of each set."""
        logits, begin = pooled(outputs, encoded), 0
        found: dict[str, NDArray[np.float64]] = {}
        for name, labels in self.sets.items():
            found[name] = softmax(logits[:, begin : begin + len(labels)])
            begin += len(labels)
        return [
            SetsPrediction(example.text, self._answers({n: p[row] for n, p in found.items()}), example.pair)
            for row, example in enumerate(examples)
        ]

    def _answers(self, probabilities: Mapping[str, NDArray[np.float64]]) -> dict[str, Answer]:
        return {
            name: (labels[int(row.argmax())], dict(zip(labels, row.tolist(), strict=True)))
            for (name, labels), row in zip(self.sets.items(), probabilities.values(), strict=True)
        }

    def tally(self) -> SetsTally:
        """An empty one."""
        return SetsTally(self.tasks)


if TYPE_CHECKING:
    _: Task[Example, SetsPrediction] = LabelSetsTask({})
