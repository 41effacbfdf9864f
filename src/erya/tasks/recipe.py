"""What the recipes of all tasks have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Self, get_args

from pydantic import BeforeValidator, Field, field_validator, model_validator

from erya.bundled import DEFAULT_MODEL
from erya.checkpoints.info import KindName
from erya.config import StrictModel
from erya.errors import ConfigError
from erya.tasks.craft.recipe import CraftRecipe
from erya.tasks.folds.recipe import FoldRecipe
from erya.train.optimisers.recipe import GREATEST_RATE
from erya.train.recipe import BatchRamp, Monitor, TrainRecipe


def _as_name(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_name(each) for each in value]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


# In a table without a line of names a column's number is its name, and to YAML a number.
ColumnName = Annotated[str, BeforeValidator(_as_name)]
ColumnNames = Annotated[str | tuple[str, ...], BeforeValidator(_as_name)]


class DevMonitor(Monitor):
    """A monitor of dev scores, which are best at their maximum; the loss alone at its minimum.

    A task narrows `key` to the numbers its scores have.
    """

    patience: int | None = Field(default=4, ge=1)

    @model_validator(mode="after")
    def _mode_fits_the_key(self) -> Self:
        self.require_mode("min" if self.key == "eval_loss" else "max")
        return self


class FinetuneTraining(TrainRecipe):
    """`TrainRecipe` with the defaults of fine-tuning.

    `batch_tokens` is a second bound beside the recipe's `batch_size`, whichever is reached first; by default
    32 inputs of 512 tokens fit. `eval_every_steps` None means `evals_per_epoch` of the recipe.
    """

    epochs: int | None = Field(default=3, ge=1)
    batch_tokens: int = Field(default=16384, ge=1)
    learning_rate: float = Field(default=5e-5, gt=0, le=GREATEST_RATE)
    warmup_ratio: float = Field(default=0.1, ge=0, le=1)
    betas: tuple[float, float] = (0.9, 0.999)
    monitor: DevMonitor

    @field_validator("batch_ramp")
    @classmethod
    def _batches_do_not_grow(cls, given: BatchRamp | None) -> None:
        if given is not None:
            raise ValueError("batch_ramp is for pre-training: here batch_size says how large a batch is")


class FinetuneRecipe(StrictModel):
    """A fine-tuning run.

    Attributes:
        model: the model directory to start from, or the name of a model that comes with Erya.
        train_file: examples to learn from.
        dev_file: examples that decide when to stop and which state is the best.
        fold: hold out a part of `train_file` in place of `dev_file`, which then names the same file.
        max_length: longest input in tokens; None is the model's limit.
        truncate: whether longer texts are cut (and counted); otherwise they are an error.
        random_init: take only sizes and vocabulary from `model` and start from random weights.
        batch_size: examples of a global batch, at most.
        eval_batch_tokens: tokens computed at once on the dev file, at most.
        evals_per_epoch: how often the dev file is scored, where `train.eval_every_steps` does not say.
        classifier_dropout_prob: before the head's last layer; None is the encoder's.
        craft: what is done besides, all of it off unless asked for.
        train: how to train.
        whole_batches: where a part of a batch would have another loss, what to do when memory runs out.
    """

    kind: ClassVar[KindName]
    whole_batches: ClassVar[str | None] = None

    model: str = DEFAULT_MODEL
    train_file: str
    dev_file: str
    fold: FoldRecipe | None = None
    max_length: int | None = Field(default=None, ge=3)
    truncate: bool = False
    random_init: bool = False
    batch_size: int = Field(default=32, ge=1)
    eval_batch_tokens: int = Field(default=8192, ge=1)
    evals_per_epoch: int = Field(default=2, ge=1)
    classifier_dropout_prob: float | None = Field(default=None, ge=0, lt=1)
    craft: CraftRecipe = CraftRecipe()
    train: FinetuneTraining

    @classmethod
    def watchable(cls, given: Mapping[str, Any]) -> tuple[str, ...]:
        """Which dev scores there may be with the keys `given`; runs are watched by the first unless told.

        Empty where the other keys make no difference: `train.monitor` alone says it.
        """
        return ()

    @model_validator(mode="before")
    @classmethod
    def _watched_as_usual(cls, given: Any) -> Any:
        """`given` with a key for the monitor, where it has none."""
        keys = cls.watchable(given) if isinstance(given, dict) else ()
        if not keys:
            return given
        train = given.get("train", {})
        if isinstance(train, FinetuneTraining) and "key" not in train.monitor.model_fields_set:
            usual = train.monitor.model_copy(update={"key": keys[0]})
            return {**given, "train": train.model_copy(update={"monitor": usual})}
        if not isinstance(train, dict) or not isinstance(train.get("monitor", {}), dict):
            return given
        return {**given, "train": {**train, "monitor": {"key": keys[0], **train.get("monitor", {})}}}

    @model_validator(mode="after")
    def _watched_by_what_there_is(self) -> Self:
        key, keys = self.train.monitor.key, type(self).watchable(dict(self))
        if keys and key not in keys:
            raise ValueError(f"a run of this recipe has no {key}: set train.monitor.key to {_any_of(keys)}")
        return self

    @property
    def columns(self) -> Mapping[str, str]:
        """The fields of a record and the columns they stand in."""
        raise NotImplementedError


def require_watched(key: str, names: Sequence[str], *, where: str, monitor: type[Monitor]) -> None:
    """Check that a look at the dev file will give what a run is watched by.

    Args:
        key: of the monitor.
        names: what a look gives; empty where nobody knows.
        where: the dev file.
        monitor: its class, which says what of that may be watched.
    Raises:
        ConfigError: it will not.
    """
    if not names or key in names:
        return
    allowed = get_args(monitor.model_fields["key"].annotation)
    possible = [name for name in names if not allowed or name in allowed]
    raise ConfigError(
        f"train.monitor.key is {key!r}, which this dev file does not give",
        where=where,
        hint=f"set train.monitor.key to {_any_of(possible)}",
    )


def _any_of(keys: Sequence[str]) -> str:
    return f"{', '.join(keys[:-1])} or {keys[-1]}" if len(keys) > 1 else "".join(keys)
