"""Sentence vectors without the network: encoding texts, decoding vectors, comparing them.

D width, T texts of an example.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from erya.data.features import Features
from erya.data.records import Record
from erya.tasks.embed.examples import Example, read_example
from erya.tasks.embed.recipe import EmbedSettings
from erya.tasks.embed.scores import DIFFERENT, SIMILAR, EmbedTally
from erya.tasks.task import Calibration, Encoded, Task
from erya.tasks.texts import LengthLimit, encode_texts
from erya.tokenizer.any_tokenizer import AnyTokenizer
from erya.tokenizer.encoding import Encoding

_DIGITS = 7  # what float32 knows


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """A text as a vector, perhaps compared with another one.

    Attributes:
        text: the text as it was given.
        embedding: its vector, float32, shape (D,).
        pair: the second text, or None.
        score: cosine of the two, in [-1, 1].
        label: `similar` or `different`, where a threshold is known.
        others: vectors of the example's other texts, float32, shape (T - 1, D).
    """

    text: str
    embedding: NDArray[np.float32]
    pair: str | None
    score: float | None
    label: str | None
    others: NDArray[np.float32]

    def to_dict(self) -> dict[str, Any]:
        """The answer as the JSON object `erya predict` prints."""
        found: dict[str, Any] = {"text": self.text}
        if self.pair is not None:
            found |= {"pair": self.pair, "score": self.score}
        if self.label is not None:
            found |= {"label": self.label}
        found["embedding"] = _listed(self.embedding)
        if self.pair is not None:
            found["pair_embedding"] = _listed(self.others[0])
        return found


@dataclass(frozen=True, slots=True)
class EmbedTask:
    """Texts as vectors.

    Attributes:
        options: what else there is to know.
    """

    options: EmbedSettings

    @property
    def labels(self) -> None:
        """There are no classes."""
        return

    @property
    def settings(self) -> dict[str, Any]:
        """What a model directory keeps."""
        return self.options.model_dump(mode="json")

    def read(self, record: Record) -> Example:
        """Check one row with the field `text` and perhaps `pair`, `score` and `negatives`.

        Raises:
            InputError: a text is empty, or the score is no number.
        """
        return read_example(record)

    def encode(self, examples: Sequence[Example], tokenizer: AnyTokenizer, *, limit: LengthLimit) -> Encoded:
        """Turn examples into inputs, one each: its T texts end to end, each with its special tokens.

        Targets: `num_texts`, int64, shape (), is T; of each text, shape (T,), `text_lengths` are its tokens
        and `text_keys` a number that only the same text has; where it is known, `scores`, float32, shape ().

        Raises:
            InputError: texts are longer than `limit` and may not be truncated.
        """
        texts = [self._prefixed(example) for example in examples]
        encodings, report = encode_texts(
            [text for of in texts for text, _ in of],
            None,
            tokenizer,
            limit=limit,
            places=[example.where for example, of in zip(examples, texts, strict=True) for _ in of],
        )
        # Where only some have a score none is used: every sequence of a batch has the same targets.
        scored = all(example.score is not None for example in examples)
        features, joined = [], []
        whole = iter(encodings)
        for example, of in zip(examples, texts, strict=True):
            parts = [next(whole) for _ in of]
            joined.append(_joined(parts, [prefix for _, prefix in of]))
            features.append(_features(joined[-1], parts, example, scored=scored))
        return Encoded(features, np.arange(len(features)), joined, report)

    def decode(
        self, outputs: Sequence[NDArray[Any]], encoded: Encoded, examples: Sequence[Example]
    ) -> list[Prediction]:
        """Turn vectors, of each sequence shape (T, D), into answers."""
        found = []
        for example, vectors in zip(examples, outputs, strict=True):
            score = None if example.pair is None else cosine(vectors[0], vectors[1])
            found.append(
                Prediction(example.text, vectors[0], example.pair, score, self._label(score), vectors[1:])
            )
        return found

    def tally(self) -> EmbedTally:
        """An empty one."""
        return EmbedTally(threshold=self.options.threshold, similar_from=self.options.similar_from)

    def calibration(self) -> EmbedCalibration:
        """One that finds the threshold."""
        return EmbedCalibration(self)

    def _label(self, score: float | None) -> str | None:
        if score is None or self.options.threshold is None:
            return None
        return SIMILAR if score >= self.options.threshold else DIFFERENT

    def _prefixed(self, example: Example) -> list[tuple[str, int]]:
        """Each text with the words before it, and how many characters these are."""
        query, passage = self.options.query_prefix, self.options.passage_prefix
        prefixes = [query if example.role == "query" else passage, *[passage] * (len(example.texts) - 1)]
        return [(prefix + text, len(prefix)) for prefix, text in zip(prefixes, example.texts, strict=True)]


class EmbedCalibration:
    """Finds the cosine from which on pairs are called similar: that of the largest F1 on the dev pairs.

    The score from which on they are so in truth is kept with it, so that another file, whose scores may lie
    elsewhere, is judged by the same.

    Args:
        task: whose threshold it is.
    """

    def __init__(self, task: EmbedTask) -> None:
        self._task, self._tally = task, EmbedTally(threshold=None, similar_from=task.options.similar_from)

    def add(self, outputs: Sequence[NDArray[Any]], encoded: Encoded, examples: Sequence[Example]) -> None:
        """Take note of some pairs."""
        scored = [place for place, example in enumerate(examples) if example.score is not None]
        predictions = self._task.decode(outputs, encoded, examples)
        self._tally.add([predictions[place] for place in scored], [examples[place] for place in scored])

    def task(self) -> EmbedTask:
        """The task with the threshold; without one where no pair has a score, or all are of one sort."""
        scores = self._tally.scores()
        found = {"threshold": scores.best_threshold, "similar_from": scores.similar_from}
        return replace(self._task, options=self._task.options.model_copy(update=found))


def cosine(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Cosine of two vectors, in [-1, 1]; 0 where one is zero."""
    one, other = first.astype(np.float64), second.astype(np.float64)
    length = float(np.sqrt((one @ one) * (other @ other)))
    return float(np.clip(one @ other / length, -1, 1)) if length else 0.0


def _features(whole: Encoding, parts: Sequence[Encoding], example: Example, *, scored: bool) -> Features:
    targets: dict[str, NDArray[np.generic]] = {"num_texts": np.array(len(parts), dtype=np.int64)}
    if scored:
        targets["scores"] = np.array(example.score, dtype=np.float32)
    rows: dict[str, NDArray[np.generic]] = {
        "text_lengths": np.array([len(part) for part in parts], dtype=np.int64),
        "text_keys": np.array(list(_keys(parts)), dtype=np.int64),
    }
    return Features(whole.ids, whole.type_ids, targets, rows)


def _keys(parts: Sequence[Encoding]) -> Iterator[int]:
    for part in parts:
        digest = hashlib.blake2b(part.ids.tobytes(), digest_size=8).digest()
        yield int.from_bytes(digest, "little", signed=True)


def _joined(parts: Sequence[Encoding], prefixes: Sequence[int]) -> Encoding:
    """One encoding of several texts, with spans in the texts as they were given."""
    return Encoding(
        ids=np.concatenate([part.ids for part in parts]),
        type_ids=np.concatenate([part.type_ids for part in parts]),
        spans=np.concatenate(
            [np.maximum(part.spans - prefix, 0) for part, prefix in zip(parts, prefixes, strict=True)]
        ),
        text_ids=np.concatenate(
            [
                np.where(part.text_ids < 0, part.text_ids, number).astype(np.int8)
                for number, part in enumerate(parts)
            ]
        ),
        word_ids=np.concatenate([part.word_ids for part in parts]),
        truncated=sum(part.truncated for part in parts),
    )


def _listed(vector: NDArray[np.float32]) -> list[float]:
    return [float(f"{value:.{_DIGITS}g}") for value in vector.tolist()]


if TYPE_CHECKING:
    _: Task[Example, Prediction] = EmbedTask(EmbedSettings())
    __: Calibration = EmbedCalibration(EmbedTask(EmbedSettings()))
