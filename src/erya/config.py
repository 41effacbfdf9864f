"""Strict configuration: YAML files and dotted overrides checked against pydantic models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeGuard, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from erya.errors import ConfigError, nearest_hint


class StrictModel(BaseModel):
    """Base of every configuration: unknown keys are errors, numbers finite, values frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


Model = TypeVar("Model", bound=BaseModel)

# What pydantic says of values of another type, for somebody who writes YAML.
_WORDS = {
    "missing": "is missing",
    "model_type": "give keys with values, such as {{key: value}}",
    "model_attributes_type": "give keys with values, such as {{kind: name}}",
    "dict_type": "give keys with values, such as {{key: value}}",
    "tuple_type": "give a list, such as [a, b]",
    "list_type": "give a list, such as [a, b]",
    "union_tag_invalid": "no {discriminator} is called {tag!r}, known: {expected_tags}",
    "union_tag_not_found": "{discriminator} is missing",
    # As pydantic says it, but for bounds such as 1e30, which it writes in full.
    "greater_than": "Input should be greater than {gt:.12g}",
    "greater_than_equal": "Input should be greater than or equal to {ge:.12g}",
    "less_than": "Input should be less than {lt:.12g}",
    "less_than_equal": "Input should be less than or equal to {le:.12g}",
}


def load_config(model: type[Model], path: Path | None, overrides: Sequence[str] = ()) -> Model:
    """Read `path` (YAML), apply `overrides`, and check the result against `model`.

    Args:
        model: the pydantic model that says which keys exist.
        path: a YAML file; None starts from the model's defaults.
        overrides: `key.sub=value` strings; the value is read as YAML.
    Returns:
        The checked configuration.
    Raises:
        ConfigError: the file cannot be read, a key is unknown (with the nearest known name) or a value
            is not allowed.
    """
    data, where = read_config(path, overrides)
    return validate(model, data, where=where)


def read_config(path: Path | None, overrides: Sequence[str] = ()) -> tuple[dict[str, Any], str]:
    """What `load_config` checks: the keys of `path` with `overrides`, and the name of where they come from.

    Raises:
        ConfigError: the file cannot be read, or an override is none.
    """
    data = _read_yaml(path) if path is not None else {}
    for override in overrides:
        _apply_override(data, override)
    places = [str(path)] * (path is not None) + ["the command line"] * (path is None or bool(overrides))
    return data, " and ".join(places)


def validate(model: type[Model], data: Any, *, where: str) -> Model:
    """Check `data` against `model`; `where` names its source in the error."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        # An unknown key first: it may be what another one that is missing was to be called.
        first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
        if first["type"] == "extra_forbidden":
            parents, models = _walk(model, first["loc"][:-1])
            odd, known = str(first["loc"][-1]), [key for each in models for key in _keys_of(each)]
            raise ConfigError(
                f"unknown key {'.'.join([*parents, odd])!r}", where=where, hint=nearest_hint(odd, known)
            ) from None
        key = ".".join(_walk(model, first["loc"])[0])
        whole = first["type"] == "missing" or isinstance(first["input"], dict)
        value = "" if whole else f" (got {first['input']!r})"
        words = _WORDS.get(first["type"])
        said = words.format_map(first.get("ctx", {})) if words else first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{key or 'configuration'}: {said}{value}", where=where) from None


def dump_yaml(config: BaseModel) -> str:
    """The configuration as YAML, keys in the order of the model."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


class _Loader(yaml.SafeLoader):
    """YAML in which a key that stands twice is an error; the standard loader takes the last in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key.value!r} stands there twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _read_yaml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ConfigError("no such recipe", where=str(path))
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"not a YAML file: {error}", where=str(path)) from None
    except OSError as error:
        raise ConfigError(f"cannot read the recipe: {error.strerror}", where=str(path)) from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError("a recipe is a mapping of keys to values", where=str(path))
    return data


_BLOCKS = ("|", ">")


def _apply_override(data: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"an override is key.sub=value, not {override!r}", where="the command line")
    try:
        # A bar alone begins a block of YAML; on a command line it is a bar.
        value = text if text in _BLOCKS else yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"the value of {key!r} is not YAML: {text!r}", where="the command line") from None
    set_key(data, key, value, where="the command line")


def set_key(data: dict[str, Any], key: str, value: Any, *, where: str) -> None:
    """Give the dotted `key` of `data` a value; keys above it that are missing or null are made.

    Raises:
        ConfigError: a key above it is a value of its own; `where` names who set it.
    """
    *parents, leaf = key.split(".")
    for parent in parents:
        if data.get(parent) is None:
            data[parent] = {}
        inner = data[parent]
        if not isinstance(inner, dict):
            raise ConfigError(f"{parent!r} in {key!r} has no keys of its own", where=where)
        data = inner
    data[leaf] = value


def _walk(model: type[BaseModel], location: Sequence[int | str]) -> tuple[list[str], list[type[BaseModel]]]:
    """Follow the place of an error in the data.

    Returns:
        The keys a user wrote on the way, and the models that may stand at its end. What pydantic adds to the
        keys, the kind of a union's member, is not among them.
    """
    written, models = list[str](), [model]
    for part in map(str, location):
        if of_kind := [each for each in models if _is_kind(each, part)]:
            models = of_kind
            continue
        fields = [each.model_fields[part] for each in models if part in each.model_fields]
        models = [kind for field in fields for kind in _models_in(field.annotation)]
        written.append(part)
    return written, models


def _keys_of(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    return [kind for kind in (annotation, *get_args(annotation)) if _is_model(kind)]


def _is_kind(model: type[BaseModel], name: str) -> bool:
    """Whether `name` is what tells `model` from other members of its union."""
    kind = model.model_fields.get("kind")
    return kind is not None and name in get_args(kind.annotation)


def _is_model(kind: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
