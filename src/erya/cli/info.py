"""`erya info`: what is this directory, in one screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import typer

from erya.bundled import bundled_hint, located
from erya.cli.console import print_json, results
from erya.errors import InputError

# The part of the provenance that `erya import` writes.
IMPORTED = "imported"
# How weights of other programs are called.
_FOREIGN = ("*.ckpt*.index", "*.h5", "*.weights", "*.bin")
HELP = """Say what a directory is, in one screen.

Knows model directories (ours and Hugging Face's of any family Erya has), tokenizers, documents, shards, and
runs of one seed or several. Of a run, also of one that goes on at this moment, it shows where it stands, its
curves, skipped steps and checkpoints. Only headers and manifests are read, so it is quick however large the
data are.

Of a model with a masked-language head the weights are read, too: it is asked for the masked tokens of a
sentence that everybody knows, so that you see whether it is alive. --no-probe leaves that out.

\b
Example:
  erya info runs/base/model
  erya info erya-mini
  erya info shards --json
  erya info runs/base --html curves.html
"""


def register(app: typer.Typer) -> None:
    """Add `erya info`."""
    app.command("info", help=HELP)(_info)


def _info(
    path: Path = typer.Argument(
        ..., metavar="PATH", help="A model, tokenizer, documents, shards or run directory."
    ),
    no_probe: bool = typer.Option(False, "--no-probe", help="Ask the model nothing; read no weights."),
    html: Path = typer.Option(None, help="Of a run: write its curves as a page that fetches nothing."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
) -> None:
    description = describe(path, probe=not no_probe)
    if html is not None:
        _write_page(description, path, html)
    if as_json:
        print_json(description)
    else:
        print_description(description)


def _write_page(description: Mapping[str, Any], path: Path, html: Path) -> None:
    if description["kind"] != "run":
        raise InputError(
            f"this is a {description['kind']} directory; pages are made of runs", where=str(path)
        )
    from erya.cli.run_page import write_run_page

    write_run_page(html, description, path)


def describe(path: Path, *, probe: bool = True) -> dict[str, Any]:
    """What `path` is: `kind`, `path`, and what there is to say about a directory of that kind.

    Args:
        path: the directory.
        probe: whether a model is asked for masked tokens.
    Raises:
        InputError: there is no such directory, or it is nothing Erya knows.
        CheckpointError: it is a model directory whose parts are damaged.
    """
    path = located(path)
    if not path.exists():
        raise InputError("no such directory", where=str(path), hint=bundled_hint(path))
    if not path.is_dir():
        raise InputError(
            "this is a file; `erya info` describes directories",
            where=str(path),
            hint=f"erya info {path.parent}",
        )
    from erya.cli import descriptions, run_summary

    # What tells a kind, most telling first: a run holds a model, a model holds a tokenizer.
    kinds: tuple[tuple[str, str, Callable[[Path], dict[str, Any]]], ...] = (
        ("seeds", "seeds.json", descriptions.seeds),
        ("folds", "folds.json", descriptions.folds),
        ("ensemble", "ensemble.json", descriptions.ensemble),
        ("run", "recipe.yaml", run_summary.summarise),
        ("shards", "manifest.json", descriptions.shards),
        ("documents", "documents.json", descriptions.documents),
        ("model", "config.json", descriptions.model),
        ("tokenizer", "tokenizer.json", descriptions.tokenizer),
        ("tokenizer", "vocab.txt", descriptions.tokenizer),
    )
    for kind, marker, describe_kind in kinds:
        if (path / marker).is_file():
            probed = {"probe": descriptions.probe(path)} if kind == "model" and probe else {}
            described = {"kind": kind, "path": str(path), **describe_kind(path), **probed}
            if kind == "tokenizer":
                described["notes"] = [*described["notes"], *_foreign_weights(path)]
            return described
    markers = ", ".join(f"{kind} ({marker})" for kind, marker, _ in kinds)
    hint = "; ".join([*_foreign_weights(path), f"known: {markers}"])
    raise InputError("nothing Erya knows is in this directory", where=str(path), hint=hint)


def print_description(description: Mapping[str, Any]) -> None:
    """Print names and values for a person, what is empty left out."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in description.items():
        value = _for_a_person(name, value, width=results.width)
        if value is not None and value != [] and value != {}:
            # As `Text`, because a piece such as [PAD] is not markup.
            table.add_row(Text(name.replace("_", " "), style="bold"), Text(_words(value)))
    results.print(table)


def _for_a_person(name: str, value: Any, *, width: int) -> Any:
    """Of what a program gets in full the part that fits a screen of so many columns."""
    from erya.cli import run_summary

    if name in run_summary.FOR_A_PERSON:
        return run_summary.FOR_A_PERSON[name](value, width)
    if name == "probe":
        return value["lines"]
    if name == "provenance":
        return _brief_provenance(value)
    return value


def _brief_provenance(value: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is longer than a screen: recipe, sums of files. They lie in erya.json."""
    brief = {key: inner for key, inner in value.items() if key not in ("recipe", "fingerprints")}
    if IMPORTED in value:
        imported = value[IMPORTED]
        brief[IMPORTED] = {key: imported[key] for key in ("source", "format") if key in imported}
    return brief


def _foreign_weights(directory: Path) -> list[str]:
    """What to do with weights of other programs, if there are some."""
    found = next((path.name for pattern in _FOREIGN for path in directory.glob(pattern)), None)
    return [f"{found} may be weights of another program: erya import {directory} --out DIR"] * bool(found)


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
