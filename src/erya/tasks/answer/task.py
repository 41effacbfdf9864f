"""Reading comprehension without the network: reading, encoding, decoding, scoring."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from erya.data.features import Features
from erya.data.records import Record
from erya.tasks.answer.placing import ContextTokens, first_placed
from erya.tasks.answer.reading import Example, example_of, places_of
from erya.tasks.answer.recipe import AnswerSettings
from erya.tasks.answer.scores import AnswerTally
from erya.tasks.answer.spans import WindowScores, best_spans
from erya.tasks.task import Encoded, Task
from erya.tasks.texts import EncodingReport, LengthLimit
from erya.tasks.windows import default_stride, encode_windows
from erya.tokenizer.any_tokenizer import AnyTokenizer
from erya.tokenizer.encoding import Encoding

# The targets: the first and last token of the answer; (0, 0) where a window does not hold it, and -1 where it
# cannot be learnt; and whether each token may be touched by an answer.
ANSWER, TOUCHABLE = "answer", "touchable"


@dataclass(frozen=True, slots=True)
class Answer:
    """A stretch of a context.

    Attributes:
        start: its first character.
        end: the character after its last.
        text: the context's characters between.
        score: the probability that it is the answer, of its best window, in [0, 1].
    """

    start: int
    end: int
    text: str
    score: float

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"start": self.start, "end": self.end, "text": self.text, "score": self.score}


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a context says to a question.

    Attributes:
        question: as it was given.
        context: as it was given.
        answers: the likeliest first; empty where the model finds none.
        no_answer_score: the probability that there is none, in [0, 1]; None for a model that always answers.
        id: what the file calls the question; empty where it has no name.
        withheld: the answers that would have been given, were one wanted at any price.
    """

    question: str
    context: str
    answers: tuple[Answer, ...]
    no_answer_score: float | None = None
    id: str = ""
    withheld: tuple[Answer, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The answer as the JSON object `erya predict` prints."""
        name = {"id": self.id} if self.id else {}
        none = {} if self.no_answer_score is None else {"no_answer_score": self.no_answer_score}
        answers = [answer.to_dict() for answer in self.answers]
        return {**name, "question": self.question, "context": self.context, "answers": answers, **none}


@dataclass(frozen=True, slots=True)
class AnswerTask:
    """Cutting the answer to a question out of a context.

    Attributes:
        options: what there is to know.
    """

    options: AnswerSettings

    @property
    def labels(self) -> None:
        """There are none."""
        return None

    @property
    def settings(self) -> dict[str, Any]:
        """What a model directory keeps."""
        return self.options.model_dump(mode="json")

    def with_threshold(self, threshold: float) -> AnswerTask:
        """The same, which gives no answer where none is so much likelier."""
        return replace(self, options=self.options.model_copy(update={"no_answer_threshold": threshold}))

    def read(self, record: Record) -> Example:
        """Check one row with the fields `question`, `context` and perhaps `answers` and `id`.

        Raises:
            InputError: a text is empty, or the answers are no answers.
        """
        return example_of(record)

    def encode(self, examples: Sequence[Example], tokenizer: AnyTokenizer, *, limit: LengthLimit) -> Encoded:
        """Turn questions and contexts into windows.

        Where the answers of all examples are known: target `answer`, int64, shape (2,), the first and last
        token of an answer in the window, (0, 0) where it does not hold the answer, (-1, -1) where no answer
        can be learnt; and in rows `touchable`, bool, whether a token is the context's or the first.

        Raises:
            InputError: a question leaves no room for windows, and may not be truncated.
            ConfigError: the stride leaves none.
        """
        stride = self.options.stride
        windows = encode_windows(
            [example.question for example in examples],
            [example.context for example in examples],
            tokenizer,
            limit=limit,
            stride=default_stride(limit.max_length) if stride is None else stride,
            places=[example.where for example in examples],
        )
        features = [Features(encoding.ids, encoding.type_ids) for encoding in windows.encodings]
        if all(example.answers is not None for example in examples):
            bounds = np.searchsorted(windows.owners, np.arange(len(examples) + 1))
            for number, example in enumerate(examples):
                own = slice(bounds[number], bounds[number + 1])
                targets = self._targets(example, windows.encodings[own], windows.owned[own], windows.report)
                features[own] = [
                    replace(item, targets={ANSWER: target}, row_targets={TOUCHABLE: _touchable(encoding)})
                    for item, target, encoding in zip(
                        features[own], targets, windows.encodings[own], strict=True
                    )
                ]
        return Encoded(features, windows.owners, windows.encodings, windows.report)

    def decode(
        self, outputs: Sequence[NDArray[Any]], encoded: Encoded, examples: Sequence[Example]
    ) -> list[Prediction]:
        """Turn logits, of each sequence shape (n, 2), into answers, merged over the windows of a context."""
        bounds = np.searchsorted(encoded.owners, np.arange(len(examples) + 1)).tolist()
        return [
            self._predict(example, outputs[start:end], encoded.encodings[start:end])
            for example, start, end in zip(examples, bounds[:-1], bounds[1:], strict=True)
        ]

    def tally(self) -> AnswerTally:
        """An empty one."""
        return AnswerTally(self.options)

    def calibration(self) -> AnswerCalibration | None:
        """Finds from which doubt on no answer should be given; None for a task where all have one."""
        return AnswerCalibration(self) if self.options.can_abstain else None

    def _targets(
        self,
        example: Example,
        encodings: Sequence[Encoding],
        owned_W2: NDArray[np.int64],
        report: EncodingReport,
    ) -> NDArray[np.int64]:
        """Target `answer` of each window, shape (W, 2)."""
        if not example.answers:
            return np.zeros((len(encodings), 2), dtype=np.int64)
        tokens = ContextTokens.of(encodings, owned_W2)
        found, remark = first_placed(places_of(example, self.options.bad_answers), tokens)
        if remark is not None:
            report.note_misfit(remark, example.where)
        return np.full((len(encodings), 2), -1) if found is None else found

    def _predict(
        self, example: Example, outputs: Sequence[NDArray[Any]], encodings: Sequence[Encoding]
    ) -> Prediction:
        options = self.options
        windows = [
            WindowScores.of(logits, encoding.spans, encoding.text_ids == 1)
            for logits, encoding in zip(outputs, encodings, strict=True)
        ]
        found = best_spans(
            windows,
            number=options.num_answers,
            max_length=options.max_answer_length,
            overlapping=options.overlapping,
        )
        answers = tuple(
            Answer(start, end, example.context[start:end], math.exp(score)) for start, end, score in found
        )
        # Where one window holds the answer, the others are right to say that they do not.
        nothing = min(window.nothing for window in windows)
        prediction = Prediction(example.question, example.context, answers, id=example.id)
        if not options.can_abstain:
            return prediction
        prediction = replace(prediction, no_answer_score=math.exp(nothing))
        if found and nothing - found[0][2] <= options.no_answer_threshold:
            return prediction
        return replace(prediction, answers=(), withheld=answers)


class AnswerCalibration:
    """Finds the threshold with the greatest F1 on the dev examples.

    Args:
        task: with any threshold.
    """

    def __init__(self, task: AnswerTask) -> None:
        self._task, self._tally = task, task.tally()

    def add(self, outputs: Sequence[NDArray[Any]], encoded: Encoded, examples: Sequence[Any]) -> None:
        """Take note of some examples' outputs."""
        self._tally.add(self._task.decode(outputs, encoded, examples), examples)

    def task(self) -> AnswerTask:
        """The task with the threshold found."""
        best = self._tally.scores().best
        return self._task if best is None else self._task.with_threshold(best.threshold)


def _touchable(encoding: Encoding) -> NDArray[np.bool_]:
    touchable: NDArray[np.bool_] = encoding.text_ids == 1
    touchable[0] = True
    return touchable


if TYPE_CHECKING:
    _: Task[Example, Prediction] = AnswerTask(AnswerSettings())
