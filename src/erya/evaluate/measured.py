"""One model's answers, scored as they come: what an evaluation and a comparison have in common."""

from __future__ import annotations

import time
from typing import Any, BinaryIO

from erya.evaluate.adapters.table import adapter_for
from erya.evaluate.cost import Cost, cost_of
from erya.evaluate.ledger import Ledger
from erya.evaluate.outcome import Outcome
from erya.evaluate.reading import Chunk
from erya.files import to_json
from erya.tasks.predictor import Predictor
from erya.tasks.task import Scores
from erya.tasks.texts import EncodingReport


class Measured:
    """Predicts, compares and adds up.

    Args:
        predictor: the model.
        truncate: whether texts longer than the limit are cut.
        max_length: longest input in tokens; None is the model's limit.
        batch_tokens: tokens computed at once, at most.
        num_worst: how many of the worst mistakes to keep.
        stream: where predictions are written, a JSON object a line; None writes none.
    """

    def __init__(
        self,
        predictor: Predictor,
        *,
        truncate: bool,
        max_length: int | None,
        batch_tokens: int,
        num_worst: int,
        stream: BinaryIO | None = None,
    ) -> None:
        self.predictor, self.report, self._stream = predictor, EncodingReport(), stream
        self.adapter = adapter_for(predictor.task)
        self.ledger = Ledger(self.adapter, num_worst=num_worst)
        self._tally = predictor.task.tally()
        self._truncate, self._max_length, self._batch_tokens = truncate, max_length, batch_tokens
        self._seconds = 0.0

    def take(self, chunk: Chunk) -> list[Outcome]:
        """Answer the examples of a chunk and add them up.

        Raises:
            InputError: a truth is none the model knows, or a text is longer than the limit.
        """
        begin = time.perf_counter()
        answers, report = self.predictor.predict_examples(
            chunk.examples,
            truncate=self._truncate,
            max_length=self._max_length,
            batch_tokens=self._batch_tokens,
        )
        self._seconds += time.perf_counter() - begin
        self.report += report
        outcomes = [self.adapter.outcome(*both) for both in zip(chunk.examples, answers, strict=True)]
        self._tally.add(answers, chunk.examples)
        for outcome, source, seen in zip(outcomes, chunk.sources, chunk.seen, strict=True):
            self.ledger.add(outcome, source=source, seen=seen)
        if self._stream is not None:
            for outcome, answer in zip(outcomes, answers, strict=True):
                line = answer.to_dict() | {"truth": _plain_truth(outcome), "line": outcome.line}
                self._stream.write((to_json(line) + "\n").encode())
        return outcomes

    def scores(self) -> Scores:
        """The task's own scores of all that was taken."""
        return self._tally.scores()

    def cost(self) -> Cost:
        """What answering has cost."""
        return cost_of(
            self.predictor, seconds=self._seconds, examples=self.report.texts, tokens=self.report.tokens
        )


def _plain_truth(outcome: Outcome) -> Any:
    if not outcome.gold:
        return outcome.truth
    return [{"start": mark.start, "end": mark.end, "type": mark.name} for mark in outcome.gold]
