"""Everything that says what a run of several tasks is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from erya.bundled import DEFAULT_MODEL
from erya.checkpoints.info import KindName
from erya.config import StrictModel, validate
from erya.tasks.craft.recipe import CraftRecipe
from erya.tasks.recipe import FinetuneRecipe, FinetuneTraining
from erya.tasks.table import KINDS
from erya.train.recipe import Monitor

# What stands above the tasks, since they share it.
_SHARED = ("model", "random_init", "train", "evals_per_epoch")
# How the names of those scores end that are best at their minimum.
_LESS_IS_BETTER = ("_loss", "_error")
# Of a task's craft what changes the encoder that others train too.
_OF_THE_ENCODER = ("freeze", "lora", "cached_states", "hidden_dropout_prob", "attention_dropout_prob")


class TogetherMonitor(Monitor):
    """Which score decides about early stopping and about the best state.

    Attributes:
        key: `eval_mean`, the mean over the tasks of what each is usually watched by; or `eval_NAME_SCORE` of
            one task, such as `eval_topic_macro_f1`.
    """

    key: str = "eval_mean"
    mode: Literal["min", "max"] = "max"
    patience: int | None = Field(default=4, ge=1)

    @model_validator(mode="after")
    def _mode_fits_the_key(self) -> Self:
        self.require_mode("min" if self.key.endswith(_LESS_IS_BETTER) else "max")
        return self


class TogetherTraining(FinetuneTraining):
    """`FinetuneTraining`, watched over all tasks; `batch_tokens` None is for each task that of its kind."""

    batch_tokens: int | None = Field(default=None, ge=1)  # type: ignore[assignment]  # kinds differ in it
    monitor: TogetherMonitor = TogetherMonitor()  # type: ignore[assignment]  # watches several tasks' scores


class TogetherRecipe(StrictModel):
    """A run of several tasks.

    Attributes:
        model: the model directory to start from.
        tasks: by name (letters, digits, `-`, `_`) each task's `kind` and its recipe's keys, but for those
            that stand here for all.
        alpha: a task of n batches is drawn in proportion to n to the power of `alpha`, in [0, 1]: 1 goes by
            size, 0 draws all alike, between them small tasks are seen more often than their size says.
        random_init: take only sizes and vocabulary from `model` and start from random weights.
        evals_per_epoch: how often the dev files are scored, where `train.eval_every_steps` does not say. An
            epoch has as many batches as all tasks together.
        train: how to train.
    """

    model: str = DEFAULT_MODEL
    tasks: dict[str, dict[str, Any]] = Field(min_length=2)
    alpha: float = Field(default=0.5, ge=0, le=1)
    random_init: bool = False
    evals_per_epoch: int = Field(default=2, ge=1)
    train: TogetherTraining = TogetherTraining()

    @field_validator("tasks")
    @classmethod
    def _names_are_names(cls, given: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name, task in given.items():
            if not name.replace("-", "").replace("_", "").isalnum():
                raise ValueError(f"{name!r} is no name for a task: letters, digits, - and _ only")
            if task.get("kind") not in KINDS:
                raise ValueError(f"{name}.kind is {task.get('kind')!r}, known: {', '.join(KINDS)}")
            if shared := [key for key in _SHARED if key in task]:
                raise ValueError(f"{name}.{shared[0]}: all tasks have the same, so it stands above them")
        return given

    @model_validator(mode="after")
    def _tasks_are_whole(self) -> Self:
        for name, recipe in self.recipes().items():
            craft, plain = recipe.craft, CraftRecipe()
            changed = [key for key in _OF_THE_ENCODER if getattr(craft, key) != getattr(plain, key)]
            if changed:
                raise ValueError(f"{name}.craft.{changed[0]} changes the encoder, which all tasks train")
        return self

    def recipes(self) -> Mapping[str, FinetuneRecipe]:
        """The recipe of each task, as if it were trained alone.

        Raises:
            ConfigError: a key is unknown, missing or makes no sense.
        """
        train = self.train.model_dump(mode="json", exclude={"monitor"})
        if self.train.batch_tokens is None:
            del train["batch_tokens"]
        shared = {"model": self.model, "random_init": self.random_init, "train": train}
        recipes = {}
        for name, task in self.tasks.items():
            own = {key: value for key, value in task.items() if key != "kind"}
            kind = KINDS[self._kind_of(task)]
            recipes[name] = validate(kind.recipe, own | shared, where=f"tasks.{name}")
        return recipes

    @staticmethod
    def _kind_of(task: Mapping[str, Any]) -> KindName:
        kind: KindName = task["kind"]
        return kind
