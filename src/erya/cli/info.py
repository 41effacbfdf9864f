"""`erya info`: what is this directory, in one screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import typer

from erya.cli.console import print_json, results
from erya.errors import InputError

HELP = """Say what a directory is, in one screen.

Knows model directories (ours and any Hugging Face BERT's), tokenizers, documents, shards, and runs of one
seed or several. Only headers and manifests are read, so it is quick however large the data are.

\b
Example:
  erya info runs/base/model
  erya info shards --json
"""


def register(app: typer.Typer) -> None:
    """Add `erya info`."""
    app.command("info", help=HELP)(_info)


def _info(
    path: Path = typer.Argument(
        ..., metavar="PATH", help="A model, tokenizer, documents, shards or run directory."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
) -> None:
    description = describe(path)
    if as_json:
        print_json(description)
    else:
        _print(description)


def describe(path: Path) -> dict[str, Any]:
    """What `path` is: `kind`, `path`, and what there is to say about a directory of that kind.

    Raises:
        InputError: there is no such directory, or it is nothing Erya knows.
        CheckpointError: it is a model directory whose parts are damaged.
    """
    if not path.exists():
        raise InputError("no such directory", where=str(path))
    if not path.is_dir():
        raise InputError(
            "this is a file; `erya info` describes directories",
            where=str(path),
            hint=f"erya info {path.parent}",
        )
    from erya.cli import descriptions

    # What tells a kind, most telling first: a run holds a model, a model holds a tokenizer.
    kinds: tuple[tuple[str, str, Callable[[Path], dict[str, Any]]], ...] = (
        ("seeds", "seeds.json", descriptions.seeds),
        ("run", "recipe.yaml", descriptions.run),
        ("shards", "manifest.json", descriptions.shards),
        ("documents", "documents.json", descriptions.documents),
        ("model", "config.json", descriptions.model),
        ("tokenizer", "tokenizer.json", descriptions.tokenizer),
        ("tokenizer", "vocab.txt", descriptions.tokenizer),
    )
    for kind, marker, describe_kind in kinds:
        if (path / marker).is_file():
            return {"kind": kind, "path": str(path), **describe_kind(path)}
    markers = ", ".join(f"{kind} ({marker})" for kind, marker, _ in kinds)
    raise InputError("nothing Erya knows is in this directory", where=str(path), hint=f"known: {markers}")


def _print(description: Mapping[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in description.items():
        if value is not None and value != [] and value != {}:
            # As `Text`, because a piece such as [PAD] is not markup.
            table.add_row(Text(name.replace("_", " "), style="bold"), Text(_words(value)))
    results.print(table)


def _words(value: Any) -> str:
    """A value for a person: thousands separated, collections in one line, lists of sentences a line each."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_within(inner)}" for key, inner in value.items() if inner is not None)
    if isinstance(value, list | tuple):
        words = [_words(inner) for inner in value]
        return ("\n" if any(" " in word for word in words) else ", ").join(words)
    return str(value)


def _within(value: Any) -> str:
    """A value among others on a line."""
    return f"({_words(value)})" if isinstance(value, Mapping) else _words(value)
