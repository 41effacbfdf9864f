"""Which columns of a table hold what is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from erya.corpus.read.options import ReadOptions
from erya.errors import InputError, nearest_hint

_SHOWN = 30
_USUAL = ReadOptions()


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a table by name; by number, from 1, where a table does not name them.

    Attributes:
        names: all of them in order.
        text, second, title, source: those that hold these; None for what the table does not have.
    """

    names: tuple[str, ...]
    text: str
    second: str | None = None
    title: str | None = None
    source: str | None = None

    @property
    def wanted(self) -> list[str]:
        """The names of those that hold something wanted."""
        return [name for name in (self.text, self.second, self.title, self.source) if name is not None]


def pick_columns(names: Sequence[str], options: ReadOptions, *, where: str) -> Columns:
    """Find the wanted columns.

    Args:
        names: of the table's columns, in order.
        options: which are wanted.
        where: the place for an error message.
    Raises:
        InputError: a column is not there or stands there twice. A title or source need not be there under
            its usual name; another name was asked for.
    """
    wanted = [options.field, *([options.pair_field] if options.pair_field else [])]
    title = _optional(options.title_field, _USUAL.title_field, names)
    source = _optional(options.source_field, _USUAL.source_field, names)
    for name in [*wanted, *(each for each in (title, source) if each is not None)]:
        if names.count(name) != 1:
            raise _not_one(name, names, where)
    return Columns(tuple(names), options.field, options.pair_field, title, source)


def _optional(name: str, usual: str, names: Sequence[str]) -> str | None:
    return None if name == usual and name not in names else name


def _not_one(name: str, names: Sequence[str], where: str) -> InputError:
    if name in names:
        return InputError(f"the column {name!r} stands there {names.count(name)} times", where=where)
    listed = ", ".join(each if len(each) <= _SHOWN else each[:_SHOWN] + "…" for each in names)
    return InputError(
        f"there is no column {name!r}; there are: {listed}",
        where=where,
        hint=f"{nearest_hint(name, names)} (of a table without column names give the number: --field 1)",
    )
