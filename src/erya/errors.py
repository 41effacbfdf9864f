"""The exceptions a user may see. Anything else that escapes is our bug.

Each says what is wrong, where, and what to do; the command line prints them without a traceback and
exits with status 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class EryaError(Exception):
    """A mistake the user can mend.

    Args:
        what: what is wrong, one sentence.
        where: the place: a file, a line, a field.
        hint: what to do about it.
    """

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        self.what, self.where, self.hint = what, where, hint
        super().__init__("\n".join(self.lines()))

    def lines(self) -> list[str]:
        """The message as the command line prints it, a line each for what, where and hint."""
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.hint:
            lines.append(f"  to do: {self.hint}")
        return lines


class InputError(EryaError):
    """A file or record that cannot be used: missing, empty, binary, wrong column, unknown label."""


class ConfigError(EryaError):
    """A recipe or option that does not make sense."""


class CheckpointError(EryaError):
    """A model directory or checkpoint with missing, extra or damaged parts."""


class MissingExtraError(EryaError):
    """An optional package is not installed; names the extra that brings it."""


class StorageError(EryaError):
    """The disk refused: full, read-only, or the directory belongs to another run."""


class TrainingError(EryaError):
    """Training cannot go on: the loss is not finite, or the data ran out."""


def nearest_hint(name: str, known: Iterable[str]) -> str:
    """What to suggest for an unknown `name`: the nearest of `known`, or all of them."""
    choices = sorted(known)
    near = difflib.get_close_matches(name, choices, n=1)
    return f"did you mean {near[0]!r}?" if near else "known: " + ", ".join(choices)
