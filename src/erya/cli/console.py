"""How every command speaks: results on stdout, everything else on stderr, errors without tracebacks."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

from erya.errors import InputError
from erya.files import open_binary, to_json

Line = TypeVar("Line")

messages = Console(stderr=True, highlight=False, soft_wrap=True)
results = Console(highlight=False, soft_wrap=True)


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON object on a line of its own on stdout, Hanzi as they are."""
    sys.stdout.write(to_json(value) + "\n")


# More columns than this do not fit a terminal with their numbers.
_WIDEST = 7


def print_table(title: str, rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """A table on stdout, or with `as_json` one JSON object a row."""
    if as_json:
        for row in rows:
            print_json(row)
        return
    cells = [[_shown(value) for value in row.values()] for row in rows]
    names = list(rows[0]) if rows else []
    if len(names) > _WIDEST and len(rows) < _WIDEST:  # a line for each name, as a terminal has room for
        names, *cells = [list(line) for line in zip(names, *cells, strict=True)]
    # As `Text`: a label or directory called "[a]" is not markup.
    table = Table(title=Text(title), title_justify="left")
    for name in names:
        table.add_column(Text(name))
    for line in cells:
        table.add_row(*map(Text, line))
    results.print(table)


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def standard_input() -> BinaryIO:
    """The bytes of stdin.

    Raises:
        InputError: it was closed before the command began.
    """
    # None when the shell was told `<&-`, though its type does not say so.
    if sys.stdin is None:
        raise InputError("stdin is closed", hint="name a file, or send text through a pipe")
    return sys.stdin.buffer


def read_lines(source: str, *, errors: str = "strict") -> Iterator[str]:
    """The lines of a UTF-8 file or, for `-`, of stdin, without their line ends. Only \\n and \\r\\n end one.

    Args:
        source: the file, or `-`.
        errors: as in `decode_line`.
    Raises:
        InputError: the file is missing or empty, stdin is closed, or a line is no UTF-8 text (with its
            number).
    """
    if source == "-":
        yield from _decode(standard_input(), "stdin", errors)
        return
    with open_binary(Path(source)) as stream:
        yield from not_empty(_decode(stream, source, errors), source)


def not_empty(lines: Iterable[Line], source: str) -> Iterator[Line]:
    """`lines`, of which a file has at least one.

    Raises:
        InputError: there is none.
    """
    found = False
    for line in lines:
        found = True
        yield line
    if not found:
        raise InputError("the file is empty", where=source)


def decode_line(data: bytes, name: str, number: int, *, errors: str = "strict") -> str:
    """A line of UTF-8 without its end; the first also without a byte-order mark.

    Args:
        data: the line.
        name: what it stands in; `number` is its number there, from 1.
        errors: `strict`, or `surrogatepass` to let lone surrogates through, which are no UTF-8.
    Raises:
        InputError: it is no UTF-8 text.
    """
    where = f"{name}, line {number}"
    if b"\0" in data:
        raise InputError("a binary file, text is wanted", where=where)
    try:
        line = (data.removeprefix(codecs.BOM_UTF8) if number == 1 else data).decode("utf-8", errors)
    except UnicodeDecodeError:
        hint = "convert it first: erya text clean FILE"
        raise InputError("not UTF-8 text", where=where, hint=hint) from None
    return line.removesuffix("\n").removesuffix("\r")


def _decode(stream: Iterable[bytes], name: str, errors: str) -> Iterator[str]:
    return (decode_line(line, name, number, errors=errors) for number, line in enumerate(stream, 1))
