"""How long an input may be: what a caller asked for, checked against what the model can take."""

from __future__ import annotations

from erya.errors import ConfigError
from erya.tasks.texts import LengthLimit


def length_limit(max_length: int | None, *, truncate: bool, default: int, positions: int) -> LengthLimit:
    """The limit to encode with.

    Args:
        max_length: what was asked for, in tokens; None is `default`.
        truncate: whether longer texts may be cut.
        default: the longest input the model was made for.
        positions: the longest it can take at all.
    Raises:
        ConfigError: `max_length` is more than the model has positions, or leaves no room.
    """
    if max_length is not None and not 3 <= max_length <= positions:
        raise ConfigError(
            f"max_length {max_length} is not possible", hint=f"this model takes 3 to {positions} tokens"
        )
    return LengthLimit(max_length or default, truncate, positions)
