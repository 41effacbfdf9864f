"""Everything that says what a fine-tuning run for classification is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from erya.checkpoints.info import KindName
from erya.tasks.classify.example import SET_FIELD
from erya.tasks.recipe import ColumnName, ColumnNames, DevMonitor, FinetuneRecipe, FinetuneTraining


class ClassifyMonitor(DevMonitor):
    """Which score on the dev file decides about early stopping and about the best checkpoint."""

    key: Literal["eval_accuracy", "eval_macro_f1", "eval_weighted_f1", "eval_micro_f1", "eval_loss"] = (
        "eval_accuracy"
    )
    mode: Literal["min", "max"] = "max"


class ClassifyTraining(FinetuneTraining):
    """How a classifier is trained."""

    monitor: ClassifyMonitor = ClassifyMonitor()


class ClassifyRecipe(FinetuneRecipe):
    """A fine-tuning run for classification; what all tasks have is said in `FinetuneRecipe`.

    Attributes:
        text: column of the text.
        pair: column of the second text, for pairs.
        label: column of the label; several columns, `[polarity, topic]`, are several sets of labels at once.
        separator: what stands between the labels of a text of which several may be true, such as `|`; None:
            a text has one label.
        stride: long texts are read in windows that share so many tokens, and their evidence is pooled; None
            takes no windows.
        class_weights: `balanced` gives each class the same share of the loss however rare it is.
        focal_gamma: above 0, texts that are already right count less.
        train: how to train.
    """

    kind: ClassVar[KindName] = "classify"

    text: ColumnName = "text"
    pair: ColumnName | None = None
    label: ColumnNames = "label"
    separator: str | None = Field(default=None, min_length=1)
    stride: int | None = Field(default=None, ge=0)
    class_weights: Literal["equal", "balanced"] = "equal"
    focal_gamma: float = Field(default=0.0, ge=0)
    train: ClassifyTraining = ClassifyTraining()

    @property
    def columns(self) -> dict[str, str]:
        """The fields of a record and the columns they stand in."""
        pair = {"pair": self.pair} if self.pair is not None else {}
        if isinstance(self.label, str):
            labels = {"label": self.label}
        else:
            labels = {SET_FIELD + column: column for column in self.label}
        return {"text": self.text, **pair, **labels}

    @classmethod
    def watchable(cls, given: Mapping[str, Any]) -> tuple[str, ...]:
        """Which dev scores there are: accuracy is of single labels, F1 over all of several."""
        usual = "eval_accuracy" if given.get("separator") is None else "eval_micro_f1"
        return (usual, "eval_macro_f1", "eval_weighted_f1", "eval_loss")

    @model_validator(mode="after")
    def _one_kind_of_labels(self) -> Self:
        if isinstance(self.label, str):
            several = self.separator is not None
        else:
            several = True
            if len(set(self.label)) < max(len(self.label), 2):
                raise ValueError("label: name two or more columns, or one without brackets")
            if self.separator is not None:
                raise ValueError("separator is for one column of labels, of which several may be true")
        if several and (self.class_weights != "equal" or self.focal_gamma):
            raise ValueError("class_weights and focal_gamma are for one column with one label a text")
        return self
