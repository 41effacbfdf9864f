"""Everything that says what a fine-tuning run for matching is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from erya.checkpoints.info import KindName
from erya.config import StrictModel
from erya.tasks.recipe import ColumnName, DevMonitor, FinetuneRecipe, FinetuneTraining


class MatchSettings(StrictModel):
    """What a model directory must say for its scores to be read.

    Attributes:
        objective: `classify` gives classes, `regress` one number.
        loss: of a number; with `bce` the network's answer is a logit, with `mse` the number itself.
        low, high: the range of the numbers, which the network knows as 0 to 1.
        ranked: whether pairs with the same first text are candidates for one query.
    """

    objective: Literal["classify", "regress"] = "classify"
    loss: Literal["mse", "bce"] = "mse"
    low: float = 0.0
    high: float = 1.0
    ranked: bool = False

    @model_validator(mode="after")
    def _range_is_one(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"the range of scores, {self.low} to {self.high}, is none")
        return self


class MatchMonitor(DevMonitor):
    """Which score on the dev file decides; those of rankings want candidates."""

    key: Literal[
        "eval_accuracy",
        "eval_macro_f1",
        "eval_pearson",
        "eval_spearman",
        "eval_mean_squared_error",
        "eval_map",
        "eval_mrr@10",
        "eval_ndcg@10",
        "eval_recall@1",
        "eval_loss",
    ] = "eval_accuracy"
    mode: Literal["min", "max"] = "max"

    @model_validator(mode="after")
    def _mode_fits_the_key(self) -> Self:
        self.require_mode("min" if self.key in ("eval_loss", "eval_mean_squared_error") else "max")
        return self


class MatchTraining(FinetuneTraining):
    """The training part, watched by a score of pairs."""

    monitor: MatchMonitor = MatchMonitor()


class MatchRecipe(FinetuneRecipe):
    """A fine-tuning run for pairs of texts.

    Attributes:
        text: column of the first text.
        pair: column of the second text.
        label: column of the class or number. A file with `query`, `candidates` and `relevance` needs none of
            these columns.
        objective: `classify`: the labels are classes, and the score is the probability of the last one;
            `regress`: they are numbers.
        loss: of numbers, scaled to 0..1: squared error, or cross-entropy with them as probabilities.
        low, high: the range of the numbers; None is that of the training file.
        ranked: whether rows with the same first text are candidates for one query, and their order is scored.
        train: how to train; it is watched by accuracy, or of numbers by the rank correlation.
    """

    kind: ClassVar[KindName] = "match"

    text: ColumnName = "text"
    pair: ColumnName = "pair"
    label: ColumnName = "label"
    objective: Literal["classify", "regress"] = "classify"
    loss: Literal["mse", "bce"] = "mse"
    low: float | None = None
    high: float | None = None
    ranked: bool = False
    train: MatchTraining = Field(default_factory=MatchTraining)

    @classmethod
    def watchable(cls, given: Mapping[str, Any]) -> tuple[str, ...]:
        """Which dev scores there may be; correlations of classes that are numbers, ranks of candidates."""
        correlations = ("eval_spearman", "eval_pearson")
        of_kind = (
            (*correlations, "eval_mean_squared_error")
            if given.get("objective") == "regress"
            else ("eval_accuracy", "eval_macro_f1", *correlations)
        )
        rankings = ("eval_map", "eval_mrr@10", "eval_ndcg@10", "eval_recall@1")
        return (*of_kind, *rankings, "eval_loss")

    @model_validator(mode="after")
    def _options_belong_together(self) -> Self:
        if self.objective == "classify" and (self.low is not None or self.high is not None):
            raise ValueError("low and high are the range of numbers: they go with objective=regress")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"low must be less than high, not {self.low} and {self.high}")
        return self

    @property
    def columns(self) -> Mapping[str, str]:
        """The fields of a record and the columns they stand in."""
        return {"text": self.text, "pair": self.pair, "label": self.label}
