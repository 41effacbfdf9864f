"""Everything that says what a fine-tuning run for reading comprehension is."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from erya.checkpoints.info import KindName
from erya.config import StrictModel
from erya.tasks.recipe import ColumnName, DevMonitor, FinetuneRecipe, FinetuneTraining

BadAnswers = Literal["refuse", "skip", "mend"]


class AnswerSettings(StrictModel):
    """What a model directory must say for its answers to be found again.

    Attributes:
        stride: tokens that two windows of a long context share; None is a quarter of the longest input.
        max_answer_length: most characters of an answer.
        num_answers: how many are given, the likeliest first.
        overlapping: whether these may share characters.
        bad_answers: what is done about answers that are not where a file says.
        can_abstain: whether a question may have no answer, as some of the training file.
        no_answer_threshold: no answer is given where the logarithm of how much likelier none is than the best
            one is above this.
    """

    stride: int | None = Field(default=None, ge=0)
    max_answer_length: int = Field(default=128, ge=1)
    num_answers: int = Field(default=3, ge=1)
    overlapping: bool = False
    bad_answers: BadAnswers = "refuse"
    can_abstain: bool = False
    no_answer_threshold: float = 0.0


class AnswerMonitor(DevMonitor):
    """Which score on the dev file decides about early stopping and about the best checkpoint.

    `eval_average` is the mean of exact match and F1, by which CMRC 2018 ranks; `eval_best_f1` is F1 with the
    best threshold, where some questions have no answer.
    """

    key: Literal["eval_f1", "eval_exact_match", "eval_average", "eval_best_f1", "eval_loss"] = "eval_f1"
    mode: Literal["min", "max"] = "max"


class AnswerTraining(FinetuneTraining):
    """How a reader is trained."""

    monitor: AnswerMonitor = AnswerMonitor()


class AnswerRecipe(FinetuneRecipe):
    """A fine-tuning run for reading comprehension; what all tasks have is said in `FinetuneRecipe`.

    Contexts are never truncated but cut into windows; `truncate` is about questions so long that they leave
    no room, and `batch_size` counts windows.

    Attributes:
        question: column of the question, where the file has columns.
        context: column of the context.
        answers: column of the answers, a list of `{"text", "start"}`.
        stride, max_answer_length, num_answers, overlapping, bad_answers: see `AnswerSettings`.
        train: how to train.
    """

    kind: ClassVar[KindName] = "answer"

    question: ColumnName = "question"
    context: ColumnName = "context"
    answers: ColumnName = "answers"
    stride: int | None = Field(default=None, ge=0)
    max_answer_length: int = Field(default=128, ge=1)
    num_answers: int = Field(default=3, ge=1)
    overlapping: bool = False
    bad_answers: BadAnswers = "refuse"
    train: AnswerTraining = AnswerTraining()

    @model_validator(mode="after")
    def _no_idle_options(self) -> Self:
        if self.classifier_dropout_prob is not None:
            raise ValueError(
                "the head for answers has no dropout of its own: leave classifier_dropout_prob out"
            )
        return self

    @property
    def columns(self) -> dict[str, str]:
        """The fields of a record and the columns they stand in."""
        return {"question": self.question, "context": self.context, "answers": self.answers}

    def settings(self, *, can_abstain: bool) -> AnswerSettings:
        """What the task is told of this.

        Args:
            can_abstain: whether a question may have no answer.
        """
        return AnswerSettings(
            stride=self.stride,
            max_answer_length=self.max_answer_length,
            num_answers=self.num_answers,
            overlapping=self.overlapping,
            bad_answers=self.bad_answers,
            can_abstain=can_abstain,
        )
