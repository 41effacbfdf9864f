"""Scoring a model on the dev file while it trains."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from erya.errors import TrainingError
from erya.tasks.running import LossSums, run
from erya.tasks.task import Calibratable, Encoded, Scores, Task
from erya.tasks.trainable import TaskTrainable

# Examples whose outputs are there at a time: these can be as many numbers as a text has tokens, or more.
_CHUNK = 512
# So many examples, the shortest, show which numbers there are.
_FEW = 4


class DevSet:
    """Scores the model on the dev file, some examples at a time; neither logits nor answers of all are kept.

    Args:
        trainable: the model and the device it is on.
        task: decodes and compares.
        examples: the dev examples, with their truth.
        encoded: the same, encoded, with targets.
        batch_tokens: tokens computed at once, at most.
    """

    def __init__(
        self,
        trainable: TaskTrainable,
        task: Task[Any, Any],
        examples: Sequence[Any],
        encoded: Encoded,
        *,
        batch_tokens: int,
    ) -> None:
        self._trainable, self._task, self._batch_tokens = trainable, task, batch_tokens
        self._examples, self._encoded = examples, encoded
        self._order = np.argsort(encoded.lengths(), kind="stable")
        self.scores: Scores | None = None

    def __call__(self) -> dict[str, float]:
        """The numbers for `metrics.jsonl`; the whole scores stay in `scores`.

        Raises:
            TrainingError: the loss is not finite.
        """
        tally, losses = self._task.tally(), LossSums()
        for outputs, part, examples in self._chunks(self._order, losses):
            _require_finite(losses)
            tally.add(self._task.decode(outputs, part, examples), examples)
        self.scores = tally.scores()
        numbers = {f"eval_{name}": float(value) for name, value in self.scores.numbers().items()}
        return {"eval_loss": losses.mean, **numbers}

    def names(self) -> tuple[str, ...]:
        """The names of what a look gives, found out by a look at a few examples; `scores` stays as it is.

        Empty where the loss is not finite: then there is no saying, and training will complain of it.
        """
        tally, losses = self._task.tally(), LossSums()
        for outputs, part, examples in self._chunks(self._order[:_FEW], losses):
            if not math.isfinite(losses.mean):
                return ()
            tally.add(self._task.decode(outputs, part, examples), examples)
        return ("eval_loss", *(f"eval_{name}" for name in tally.scores().numbers()))

    def calibrated(self) -> Task[Any, Any]:
        """The task with the thresholds that the dev examples speak for, where it has such."""
        calibration = self._task.calibration() if isinstance(self._task, Calibratable) else None
        if calibration is None:
            return self._task
        for outputs, part, examples in self._chunks(self._order, None):
            calibration.add(outputs, part, examples)
        task: Task[Any, Any] = calibration.task()
        return task

    def _chunks(
        self, order: NDArray[np.intp], losses: LossSums | None
    ) -> Iterator[tuple[list[NDArray[Any]], Encoded, list[Any]]]:
        """Outputs, inputs and examples, some at a time."""
        for begin in range(0, len(order), _CHUNK):
            chosen = order[begin : begin + _CHUNK]
            part = self._encoded.take(chosen)
            outputs = run(
                self._trainable.learner,
                part.features,
                device=self._trainable.device,
                batch_tokens=self._batch_tokens,
                losses=losses,
            )
            yield outputs, part, [self._examples[number] for number in chosen]


def _require_finite(losses: LossSums) -> None:
    """A network whose dev loss is no number is broken: no later step mends it, and none may be saved."""
    if not math.isfinite(losses.mean):
        raise TrainingError(
            "the loss on the dev file is not a number: the weights were spoilt by the steps before",
            hint="a smaller train.learning_rate (a tenth), or more warm-up; then --no-resume",
        )
