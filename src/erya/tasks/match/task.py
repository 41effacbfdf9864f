"""Matching without the network: encoding pairs, decoding scores.

C classes, S examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from erya.data.features import Features
from erya.data.records import Record
from erya.errors import InputError, nearest_hint
from erya.tasks.match.examples import Example, number_of, read_pair
from erya.tasks.match.recipe import MatchSettings
from erya.tasks.match.scores import MatchTally
from erya.tasks.task import Encoded, Task
from erya.tasks.texts import LengthLimit, encode_texts
from erya.tokenizer.any_tokenizer import AnyTokenizer


@dataclass(frozen=True, slots=True)
class Prediction:
    """How well two texts match.

    Attributes:
        text: the first text as it was given.
        pair: the second.
        score: the probability of the last class, or the number.
        label: the likeliest class; None where a number is asked for.
        scores: probability of each class, summing to 1, in the order of the labels; None of a number.
    """

    text: str
    pair: str
    score: float
    label: str | None = None
    scores: dict[str, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The answer as the JSON object `erya predict` prints."""
        found: dict[str, Any] = {"text": self.text, "pair": self.pair, "score": self.score}
        if self.label is not None:
            found["label"] = self.label
        if self.scores is not None:
            found["scores"] = self.scores
        return found


@dataclass(frozen=True, slots=True)
class MatchTask:
    """Matching by classes or by a number.

    Attributes:
        labels: class c is labels[c]; None where a number is asked for.
        options: what else there is to know.
    """

    labels: tuple[str, ...] | None
    options: MatchSettings

    @property
    def settings(self) -> dict[str, Any]:
        """What a model directory keeps besides the labels."""
        return self.options.model_dump(mode="json")

    def read(self, record: Record) -> Example:
        """Check one row with the fields `text`, `pair` and perhaps `label`.

        Raises:
            InputError: a text is empty, or the label is none of the task's.
        """
        example = read_pair(record)
        if example.target is not None:
            self.truth(example)
        return example

    def truth(self, example: Example) -> float:
        """The number of the class, or the number itself.

        Raises:
            InputError: there is no such class (names the nearest), or it is no number.
        """
        if self.labels is None:
            return number_of(example.target, where=example.where)
        target = example.target or ""
        if target not in self.labels:
            raise InputError(
                f"unknown label {target!r}; the model knows {', '.join(self.labels)}",
                where=example.where,
                hint=nearest_hint(target, self.labels),
            )
        return self.labels.index(target)

    def encode(self, examples: Sequence[Example], tokenizer: AnyTokenizer, *, limit: LengthLimit) -> Encoded:
        """Turn pairs into inputs, one each.

        Where the truth is known, target `labels` is the class, int64, shape (), or target `values` the number
        scaled to 0..1, float32, shape ().

        Raises:
            InputError: pairs are longer than `limit` and may not be truncated, or a truth cannot be used.
        """
        encodings, report = encode_texts(
            [example.text for example in examples],
            [example.pair for example in examples],
            tokenizer,
            limit=limit,
            places=[example.where for example in examples],
        )
        features = [
            Features(encoding.ids, encoding.type_ids, self._targets(example))
            for encoding, example in zip(encodings, examples, strict=True)
        ]
        return Encoded(features, np.arange(len(features)), encodings, report)

    def decode(
        self, outputs: Sequence[NDArray[Any]], encoded: Encoded, examples: Sequence[Example]
    ) -> list[Prediction]:
        """Turn logits, of each sequence shape (C,) or for numbers (1,), into scores and labels."""
        if not examples:
            return []
        logits = np.stack(outputs).astype(np.float64)
        if self.labels is None:
            return [
                Prediction(example.text, example.pair, score)
                for example, score in zip(examples, self._numbers(logits[:, 0]), strict=True)
            ]
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        rows = (powers / powers.sum(axis=1, keepdims=True)).tolist()
        return [
            Prediction(
                example.text,
                example.pair,
                score=row[-1],
                label=self.labels[best],
                scores=dict(zip(self.labels, row, strict=True)),
            )
            for example, row, best in zip(examples, rows, logits.argmax(axis=1).tolist(), strict=True)
        ]

    def tally(self) -> MatchTally:
        """An empty one."""
        return MatchTally(self.labels, ranked=self.options.ranked)

    def _numbers(self, logits: NDArray[np.float64]) -> list[float]:
        options = self.options
        shares = 1 / (1 + np.exp(-logits.clip(-500, 500))) if options.loss == "bce" else logits
        numbers: list[float] = (options.low + (options.high - options.low) * shares).tolist()
        return numbers

    def _targets(self, example: Example) -> dict[str, NDArray[np.generic]]:
        if example.target is None:
            return {}
        truth = self.truth(example)
        if self.labels is not None:
            return {"labels": np.array(truth, dtype=np.int64)}
        share = (truth - self.options.low) / (self.options.high - self.options.low)
        # A dev file may go beyond the range of the training file; a probability cannot.
        return {"values": np.array(min(max(share, 0.0), 1.0), dtype=np.float32)}


if TYPE_CHECKING:
    _: Task[Example, Prediction] = MatchTask(None, MatchSettings())
