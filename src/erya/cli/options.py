"""Options that several verbs share."""

from __future__ import annotations

from typing import get_args

import typer

from erya.errors import ConfigError, nearest_hint
from erya.runtime import Precision

PrecisionOption = typer.Option(
    "float32", help="float32: a text gets the same answer in any batch; bfloat16 or auto: faster, rounds."
)


def parse_precision(name: str) -> Precision:
    """The precision called `name`.

    Raises:
        ConfigError: there is none; names the nearest.
    """
    for known in get_args(Precision):
        if name == known:
            precision: Precision = known
            return precision
    raise ConfigError(f"unknown precision {name!r}", hint=nearest_hint(name, get_args(Precision)))
