"""Scoring a classifier on a file: streamed, whatever its size; predictions are written as they come."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from erya import __version__
from erya.data.records import read_records
from erya.files import atomic_write, sha256_of, to_json
from erya.metrics.classification import ClassificationScores
from erya.tasks.predictor import Predictor
from erya.tasks.classify.task import Example, Prediction
from erya.tasks.texts import EncodingReport

_CHUNK = 2048


@dataclass(frozen=True, slots=True)
class Mistake:
    """A text the model was sure about and wrong.

    Attributes:
        text: the text.
        pair: the second text, or None.
        truth: its label.
        predicted: the model's.
        probability: the model's, of its own answer.
        line: where it stands in the data file.
    """

    text: str
    pair: str | None
    truth: str
    predicted: str
    probability: float
    line: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured, on what, when.

    Attributes:
        model: the model directory.
        data: the data file.
        data_sha256: of its bytes.
        when: local date and time of the start, ISO 8601.
        version: of Erya.
        labels: the classes.
        scores: against the file's labels.
        encoding: what encoding did to the texts.
        mistakes: the most confident ones, the surest first.
        seconds: reading, encoding and predicting.
        max_length: longest input in tokens.
        provenance: what the model directory says of its training.
    """

    model: Path
    data: Path
    data_sha256: str
    when: str
    version: str
    labels: tuple[str, ...]
    scores: ClassificationScores
    encoding: EncodingReport
    mistakes: tuple[Mistake, ...]
    seconds: float
    max_length: int
    provenance: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What to call the model: most are named `model`, so the run's name goes before it."""
        path = self.model.resolve()
        return f"{path.parent.name}/{path.name}"

    @property
    def warnings(self) -> list[str]:
        """What a reader must know before believing the scores."""
        warnings = []
        absent = [row.label for row in self.scores.classes if not row.support]
        if absent:
            warnings.append(f"No text of the file is labelled {', '.join(absent)}: not scored.")
        answer = self.scores.only_answer
        if answer is not None:
            said = f"The model answers {answer} for every text"
            warnings.append(f"{said}: it has not learnt to tell them apart.")
        if self.encoding.truncated_texts:
            share = self.encoding.truncated_share
            warnings.append(f"{share:.1%} of the texts were truncated to {self.max_length} tokens.")
        if self.encoding.has_many_unknown:
            warnings.append(f"{self.encoding.unknown_share:.1%} of the tokens are unknown to the vocabulary.")
        return warnings

    def to_dict(self) -> dict[str, Any]:
        """The evaluation as plain JSON values, without texts."""
        return {
            "model": str(self.model),
            "data": str(self.data),
            "data_sha256": self.data_sha256,
            "when": self.when,
            "erya": self.version,
            "max_length": self.max_length,
            "seconds": round(self.seconds, 3),
            **self.scores.to_dict(),
            "encoding": self.encoding.to_dict(),
            "warnings": self.warnings,
        }


def evaluate(
    predictor: Predictor,
    data: Path,
    *,
    model: Path,
    columns: Mapping[str, str],
    truncate: bool = False,
    max_length: int | None = None,
    batch_tokens: int = 8192,
    num_mistakes: int = 50,
    predictions: Path | None = None,
    progress: Callable[[int], None] = lambda num_texts: None,
) -> Evaluation:
    """Predict every text of a labelled file and compare.

    Args:
        predictor: the model.
        data: .tsv, .csv or .jsonl, perhaps compressed.
        model: the model's directory, for the record.
        columns: for `text`, `label` and perhaps `pair`, the column it stands in.
        truncate: whether texts longer than the limit are cut (and counted); otherwise they are an error.
        max_length: longest input in tokens; None is the model's limit.
        batch_tokens: tokens computed at once, at most.
        num_mistakes: how many of the most confident mistakes to keep.
        predictions: where to write every prediction, a JSON object a line; None writes none.
        progress: is told how many more texts are done.
    Raises:
        InputError: the file or a row cannot be used, a label is not one of the model's, or texts are
            longer than the limit and may not be cut (all are counted before the first is predicted).
        StorageError: the disk refuses.
    """
    if not truncate:
        _require_whole(predictor, data, columns=columns, max_length=max_length)
    when, begin = datetime.now().astimezone().isoformat(timespec="seconds"), time.perf_counter()
    counts, report, mistakes = predictor.task.tally(), EncodingReport(), _Surest(num_mistakes)
    with ExitStack() as stack:
        stream = stack.enter_context(atomic_write(predictions)) if predictions is not None else None
        records = read_records(data, columns=columns)
        for examples in _chunks(map(predictor.task.read, records)):
            answers, part = predictor.predict_examples(
                examples, truncate=truncate, max_length=max_length, batch_tokens=batch_tokens
            )
            counts.add(answers, examples)
            report += part
            mistakes.add(examples, answers)
            if stream is not None:
                _write(stream, examples, answers)
            progress(len(examples))
    scores = counts.scores()
    assert isinstance(scores, ClassificationScores)
    return Evaluation(
        model=model,
        data=data,
        data_sha256=sha256_of(data),
        when=when,
        version=__version__,
        labels=predictor.task.labels or (),
        scores=scores,
        encoding=report,
        mistakes=mistakes.sorted(),
        seconds=time.perf_counter() - begin,
        max_length=max_length or predictor.info.max_length,
        provenance=predictor.info.provenance,
    )


def _require_whole(
    predictor: Predictor, data: Path, *, columns: Mapping[str, str], max_length: int | None
) -> None:
    """Look at the length of every text first: tokenising is a hundred times quicker than predicting."""
    report = EncodingReport()
    records = read_records(data, columns=columns)
    for examples in _chunks(map(predictor.task.read, records)):
        report += predictor.encode(examples, truncate=True, max_length=max_length).report
    report.require_whole(predictor.limit(max_length, truncate=False))


class _Surest:
    """Keeps the `size` mistakes the model was surest of, and no other text."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._heap: list[tuple[float, int, Mistake]] = []

    def add(self, examples: Sequence[Example], answers: Sequence[Prediction]) -> None:
        for example, answer in zip(examples, answers, strict=True):
            if example.label == answer.label:
                continue
            probability = answer.scores[answer.label]
            mistake = Mistake(
                example.text, example.pair, example.label or "", answer.label, probability, example.line
            )
            heapq.heappush(self._heap, (probability, -example.line, mistake))
            if len(self._heap) > self._size:
                heapq.heappop(self._heap)

    def sorted(self) -> tuple[Mistake, ...]:
        return tuple(mistake for _, _, mistake in sorted(self._heap, reverse=True, key=lambda item: item[:2]))


def _chunks(examples: Iterable[Example]) -> Iterator[list[Example]]:
    iterator = iter(examples)
    while chunk := list(itertools.islice(iterator, _CHUNK)):
        yield chunk


def _write(stream: BinaryIO, examples: Sequence[Example], answers: Sequence[Prediction]) -> None:
    for example, answer in zip(examples, answers, strict=True):
        line = answer.to_dict() | {"truth": example.label, "line": example.line}
        stream.write((to_json(line) + "\n").encode())
