"""Which recipe keys are searched, and over what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from pydantic import Field, model_validator

from erya.checkpoints.info import KindName
from erya.config import StrictModel, set_key, validate
from erya.errors import ConfigError
from erya.files import to_json
from erya.tasks.recipe import FinetuneRecipe

Value = Any  # what a recipe key may hold: any plain JSON value


class RangeRecipe(StrictModel):
    """Numbers between two bounds, both included; whole ones where both bounds are.

    Attributes:
        low: the least.
        high: the greatest.
        log: whether the search is as fine near `low` as near `high` in proportion.
        step: of an even grid from `low` on; None is every number.
    """

    low: int | float
    high: int | float
    log: bool = False
    step: int | float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low ({self.low}) must be less than high ({self.high})")
        if self.log and self.low <= 0:
            raise ValueError("log needs a low above 0")
        if self.log and self.step is not None:
            raise ValueError("log and step do not go together")
        if self.is_whole and isinstance(self.step, float):
            raise ValueError("whole numbers want a whole step")
        return self

    @property
    def is_whole(self) -> bool:
        """Whether only whole numbers are meant."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def contains(self, value: Value) -> bool:
        """Whether `value` could be drawn; a step is not looked at."""
        wanted = int if self.is_whole else (int, float)
        is_number = isinstance(value, wanted) and not isinstance(value, bool)
        return is_number and self.low <= value <= self.high

    def suggest(self, trial: Any, key: str) -> Value:
        """A value from an optuna trial."""
        if self.is_whole:
            return trial.suggest_int(key, self.low, self.high, log=self.log, step=self.step or 1)
        return trial.suggest_float(key, self.low, self.high, log=self.log, step=self.step)

    def stored(self, value: Value) -> Value:
        """`value` as a study keeps it."""
        return value

    def shown(self, stored: Value) -> Value:
        """The value that `stored` gave."""
        return stored


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several values.

    Attributes:
        values: two or more, all different.
    """

    values: tuple[Value, ...]

    def contains(self, value: Value) -> bool:
        """Whether `value` is one of them."""
        return to_json(value) in map(to_json, self.values)

    def suggest(self, trial: Any, key: str) -> Value:
        """A value from an optuna trial."""
        return self.shown(trial.suggest_categorical(key, [self.stored(value) for value in self.values]))

    def stored(self, value: Value) -> Value:
        """`value` as a study keeps it: lists and mappings as JSON."""
        return to_json(value) if isinstance(value, list | tuple | dict) else value

    def shown(self, stored: Value) -> Value:
        """The value that `stored` gave."""
        return next(value for value in self.values if self.stored(value) == stored)


Space = Mapping[str, RangeRecipe | Choice]

_RATE = RangeRecipe(low=1e-5, high=1e-3, log=True)
_DROPOUT = Choice((None, 0.0, 0.1, 0.2, 0.4))  # None is the encoder's
# What is searched where nothing is said: what matters most on small data, by kind of task.
DEFAULT_SPACES: Mapping[KindName, Space] = {
    "classify": {
        "train.learning_rate": _RATE,
        "batch_size": Choice((16, 32, 64)),
        "train.epochs": Choice((2, 3, 5)),
        "classifier_dropout_prob": _DROPOUT,
    },
    "tag": {
        "train.learning_rate": _RATE,
        "batch_size": Choice((8, 16, 32)),
        "train.epochs": Choice((3, 5, 8)),
        "classifier_dropout_prob": _DROPOUT,
    },
    "answer": {
        "train.learning_rate": _RATE,
        "batch_size": Choice((8, 16, 32)),
        "train.epochs": Choice((1, 2, 3)),
    },
    "match": {
        "train.learning_rate": _RATE,
        "batch_size": Choice((16, 32, 64)),
        "train.epochs": Choice((2, 3, 5)),
        "classifier_dropout_prob": _DROPOUT,
    },
    "embed": {
        "train.learning_rate": _RATE,
        "batch_size": Choice((32, 64, 128)),
        "train.epochs": Choice((1, 2, 3)),
    },
}


def usual_space(recipe: FinetuneRecipe) -> Space:
    """What is searched where nothing is said: the kind's space, made wider where the recipe lies outside."""
    space = DEFAULT_SPACES[recipe.kind]
    return {key: _with(entry, _value_of(recipe, key)) for key, entry in space.items()}


def _with(entry: RangeRecipe | Choice, value: Value) -> RangeRecipe | Choice:
    if entry.contains(value):
        return entry
    if isinstance(entry, Choice):
        return Choice((*entry.values, value))
    return entry.model_copy(update={"low": min(entry.low, value), "high": max(entry.high, value)})


def parse_space(given: Any, *, where: str) -> Space:
    """A space as a recipe's `space` says it: for each key a list of values, or `{low, high, log, step}`.

    Args:
        given: keys may be dotted or nested.
        where: the file, for errors.
    Raises:
        ConfigError: it is empty, or an entry is neither.
    """
    if not isinstance(given, dict) or not given:
        raise ConfigError(
            "space: give recipe keys with what to search, such as {batch_size: [16, 32]}", where=where
        )
    space: dict[str, RangeRecipe | Choice] = {}
    for key, entry in _flat(given).items():
        if isinstance(entry, dict):
            space[key] = validate(RangeRecipe, entry, where=f"{where}, space.{key}")
        elif isinstance(entry, list) and len({to_json(value) for value in entry}) == len(entry) >= 2:
            space[key] = Choice(tuple(entry))
        else:
            raise ConfigError(
                f"space.{key}: a list of two values or more, all different, or {{low, high}}, not {entry!r}",
                where=where,
            )
    return space


def _flat(given: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys as dotted ones, down to lists and ranges."""
    flat: dict[str, Any] = {}
    for key, entry in given.items():
        if isinstance(entry, dict) and not entry.keys() & {"low", "high"} and entry:
            flat |= _flat(entry, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = entry
    return flat


def with_values(recipe: FinetuneRecipe, values: Mapping[str, Value], *, where: str) -> FinetuneRecipe:
    """`recipe` with other values for some of its dotted keys.

    Raises:
        ConfigError: a key is unknown, or a value not allowed.
    """
    data = recipe.model_dump(mode="json")
    for key, value in values.items():
        set_key(data, key, value, where=where)
    return validate(type(recipe), data, where=where)


def require_possible(recipe: FinetuneRecipe, space: Space) -> None:
    """Check that every bound and every choice makes a recipe, before hours are spent.

    Raises:
        ConfigError: a key is unknown or a value not allowed; says which.
    """
    for key, entry in space.items():
        values = (entry.low, entry.high) if isinstance(entry, RangeRecipe) else entry.values
        for value in values:
            with_values(recipe, {key: value}, where=f"space.{key}")


def values_of(recipe: FinetuneRecipe, space: Space) -> dict[str, Value] | None:
    """The recipe's own values of the keys of `space`; None where one of them lies outside it."""
    values: dict[str, Value] = {}
    for key, entry in space.items():
        value = _value_of(recipe, key)
        if not entry.contains(value):
            return None
        values[key] = entry.stored(value)
    return values


def _value_of(recipe: FinetuneRecipe, key: str) -> Value:
    value: Any = recipe.model_dump(mode="json")
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def space_as_json(space: Space) -> dict[str, Any]:
    """The space as plain JSON values, as a recipe says it."""
    return {
        key: entry.model_dump(mode="json", exclude_none=True)
        if isinstance(entry, RangeRecipe)
        else list(entry.values)
        for key, entry in space.items()
    }
