"""How every command speaks: results on stdout, everything else on stderr, errors without tracebacks."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from erya.errors import InputError
from erya.files import open_binary

messages = Console(stderr=True, highlight=False, soft_wrap=True)
results = Console(highlight=False, soft_wrap=True)


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON object on a line of its own on stdout, Hanzi as they are."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")


def print_table(title: str, rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """A table on stdout, or with `as_json` one JSON object a row."""
    if as_json:
        for row in rows:
            print_json(row)
        return
    table = Table(title=title, title_justify="left")
    for name in rows[0] if rows else []:
        table.add_column(name)
    for row in rows:
        table.add_row(*(f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.values()))
    results.print(table)


def read_lines(source: str) -> Iterator[str]:
    """The lines of a UTF-8 file or, for `-`, of stdin, without their line ends. Only \\n and \\r\\n end one.

    Raises:
        InputError: the file is missing, or a line is not UTF-8 (with its number).
    """
    if source == "-":
        yield from _decode(sys.stdin.buffer, "stdin")
        return
    with open_binary(Path(source)) as stream:
        yield from _decode(stream, source)


def _decode(stream: Iterable[bytes], name: str) -> Iterator[str]:
    for number, line in enumerate(stream, 1):
        try:
            yield line.decode("utf-8").removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise InputError(
                "not UTF-8 text",
                where=f"{name}, line {number}",
                hint="convert it first: erya text clean FILE",
            ) from None
