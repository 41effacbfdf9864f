"""What makes a run this run: its recipe and its data. A resumed run must have the same."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from erya.errors import ConfigError
from erya.train.recipe import CHANGEABLE_ON_RESUME, STEERING

IDENTITY = ("recipe", "fingerprints")  # its keys


def identity_of(recipe: BaseModel, fingerprints: Mapping[str, str]) -> dict[str, Any]:
    """Recipe and fingerprints as JSON-ready dictionaries."""
    return {"recipe": recipe.model_dump(mode="json"), "fingerprints": dict(fingerprints)}


def brought_up_to_date(former: Mapping[str, Any], recipe: type[BaseModel]) -> dict[str, Any]:
    """A former identity with the keys that its recipe's class got since, at their defaults: as it was then.

    Args:
        former: the identity in a checkpoint, perhaps of an older version.
        recipe: the class of recipes of today.
    """
    try:
        recipe_then = recipe.model_validate(former["recipe"]).model_dump(mode="json")
    except ValidationError:  # a key that is gone: what differs is said key by key
        recipe_then = former["recipe"]
    return {**former, "recipe": recipe_then}


def require_same(
    former: Mapping[str, Any], now: Mapping[str, Any], *, where: str, changeable: Collection[str] = ()
) -> None:
    """Check that a run may be resumed under what is asked `now`.

    Args:
        former: the identity in the checkpoint.
        now: the identity of this call.
        where: the run directory, for the error.
        changeable: dotted keys of the recipe that may differ besides the length and cadence of training.
    Raises:
        ConfigError: another recipe or other data; names every key that differs.
    """
    allowed = {*changeable, *(f"train.{key}" for key in CHANGEABLE_ON_RESUME)}
    before, after = _flatten(former["recipe"]), _flatten(now["recipe"])
    differing = [
        f"{key} was {before.get(key)!r}, is {after.get(key)!r}"
        for key in sorted(before.keys() | after.keys())
        if key not in allowed and before.get(key) != after.get(key)
    ]
    prints_before, prints_after = former["fingerprints"], now["fingerprints"]
    differing += [
        f"the {name} changed (its fingerprint is another one)"
        for name in sorted(prints_before.keys() | prints_after.keys())
        if prints_before.get(name) != prints_after.get(name)
    ]
    if differing:
        raise ConfigError(
            "the run in this directory is another one: " + "; ".join(differing),
            where=where,
            hint="undo the change, choose another --out, or start over with --no-resume",
        )


def changed_keys(former: Mapping[str, Any], now: Mapping[str, Any], keys: Collection[str]) -> list[str]:
    """Which of the recipe's dotted `keys`, or keys below them, changed since `former`, in a user's words."""
    before, after = _flatten(former["recipe"]), _flatten(now["recipe"])
    return [
        f"{key} was {before.get(key)!r}, is {after.get(key)!r}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key) and any(f"{key}.".startswith(f"{each}.") for each in keys)
    ]


def steering_note(former: Mapping[str, Any], now: Mapping[str, Any], *, step: int) -> str | None:
    """What steers training differently from `step` on, in a user's words; None where nothing does."""
    changes = changed_keys(former, now, STEERING)
    return f"from step {step} on, {', '.join(changes)}" if changes else None


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys as dotted ones."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat.update(_flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat
