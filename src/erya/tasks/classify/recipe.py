"""Everything that says what a fine-tuning run for classification is."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from erya.checkpoints.info import KindName
from erya.tasks.recipe import DevMonitor, FinetuneRecipe, FinetuneTraining


class ClassifyMonitor(DevMonitor):
    """Which score on the dev file decides about early stopping and about the best checkpoint."""

    key: Literal["eval_accuracy", "eval_macro_f1", "eval_weighted_f1", "eval_loss"] = "eval_accuracy"
    mode: Literal["min", "max"] = "max"


class ClassifyTraining(FinetuneTraining):
    """How a classifier is trained."""

    monitor: ClassifyMonitor = ClassifyMonitor()


class ClassifyRecipe(FinetuneRecipe):
    """A fine-tuning run for classification; what all tasks have is said in `FinetuneRecipe`.

    Attributes:
        text: column of the text.
        pair: column of the second text, for pairs.
        label: column of the label.
        class_weights: `balanced` gives each class the same share of the loss however rare it is.
        focal_gamma: above 0, texts that are already right count less.
        train: how to train.
    """

    kind: ClassVar[KindName] = "classify"

    text: str = "text"
    pair: str | None = None
    label: str = "label"
    class_weights: Literal["equal", "balanced"] = "equal"
    focal_gamma: float = Field(default=0.0, ge=0)
    train: ClassifyTraining = ClassifyTraining()

    @property
    def columns(self) -> dict[str, str]:
        """The fields of a record and the columns they stand in."""
        pair = {"pair": self.pair} if self.pair is not None else {}
        return {"text": self.text, **pair, "label": self.label}
