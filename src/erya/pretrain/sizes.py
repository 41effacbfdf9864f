"""Sizes of new models by name, so that a recipe says how to train and a word says how large."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

SizeName = Literal["tiny", "mini", "small", "base", "large"]

_HEAD_SIZE = 64
_GATED_ROUNDED_TO = 64


@dataclass(frozen=True, slots=True)
class Size:
    """Depth and width of an encoder.

    Attributes:
        num_layers: blocks.
        hidden_size: width, a multiple of 64.
    """

    num_layers: int
    hidden_size: int


SIZES: Mapping[str, Size] = {
    "tiny": Size(2, 128),
    "mini": Size(4, 256),
    "small": Size(6, 384),
    "base": Size(12, 768),
    "large": Size(24, 1024),
}


def sized(model: Mapping[str, Any], size: str) -> dict[str, Any]:
    """The keys of a model with those sizes filled in that it does not give itself.

    Heads are 64 wide. The feed-forward layer is four times as wide as the model; a gated one, which has three
    matrices in place of two, 8/3 times, so that it has as many parameters.

    Args:
        model: `ModelRecipe`'s keys, as far as they are given.
        size: one of `SIZES`.
    Raises:
        ValueError: nothing is left to fill, or the width is no whole number.
    """
    wanted = SIZES[size]
    hidden_size = model.get("hidden_size", wanted.hidden_size)
    if not isinstance(hidden_size, int):
        raise ValueError(f"model.hidden_size: give a whole number (got {hidden_size!r})")
    filled = {
        "hidden_size": wanted.hidden_size,
        "num_layers": wanted.num_layers,
        "num_heads": max(1, hidden_size // _HEAD_SIZE),
        "intermediate_size": _inner_size(hidden_size, gated=bool(model.get("gated"))),
    }
    if filled.keys() <= model.keys():
        raise ValueError(
            f"size={size} changes nothing: model gives {', '.join(filled)} itself; leave them out"
        )
    return filled | dict(model)


def _inner_size(hidden_size: int, *, gated: bool) -> int:
    if not gated:
        return 4 * hidden_size
    return max(1, round(8 * hidden_size / 3 / _GATED_ROUNDED_TO)) * _GATED_ROUNDED_TO
