"""`erya check`: training data looked through before hours are spent on them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from erya.cli.console import messages, print_json, results
from erya.cli.finetuning import as_overrides
from erya.cli.speaking import tell
from erya.errors import ConfigError, nearest_hint

if TYPE_CHECKING:
    from erya.tasks.preflight.findings import Finding, Findings
    from erya.tasks.recipe import FinetuneRecipe

HELP = """Look through training data before hours are spent on them.

TASK is classify, tag, answer, match or embed. Says what is wrong and in which lines: rows that cannot be
used, empty and damaged texts, the same text twice or with two labels, dev and test texts that stand in the
training file, labels that the training file lacks, classes with hardly an example, spans that do not fit
their text. With --model also how long the inputs are, what would be cut off, what its vocabulary does not
know, and whether the network can learn one batch by heart, which takes a minute (--no-overfit leaves that
out).

\b
Example:
  erya check classify --train train.tsv --dev dev.tsv --test test.tsv --text text_a
  erya check tag --train train.bio --model erya-mini --out checks/ner
  erya check answer --train train.json --dev dev.json --json

Columns and options are those of `erya finetune TASK`, as --text, --pair, --label or KEY=VALUE. With --out the
findings are written to OUT/check.json and OUT/check.html. Exits with 2 where training would stop or be
pointless.
"""
_COLUMNS = ("text", "pair", "label")


def register(app: typer.Typer) -> None:
    """Add `erya check`."""
    app.command("check", help=HELP)(_check)


def _check(
    task: str = typer.Argument(..., metavar="TASK", help="What the data are for."),
    overrides: list[str] = typer.Argument(None, metavar="[KEY=VALUE]...", help="Recipe keys."),
    train: Path = typer.Option(None, help="Examples to learn from."),
    dev: Path = typer.Option(None, help="Examples to choose the best state by."),
    test: Path = typer.Option(None, help="Examples to score at the end."),
    model: Path = typer.Option(
        None,
        help="Model that training would start from. Without one lengths are not looked at, and no batch is "
        "learnt by heart.",
    ),
    recipe: Path = typer.Option(None, help="A YAML recipe; options and KEY=VALUE override it."),
    text: str = typer.Option(None, help="Column of the text."),
    pair: str = typer.Option(None, help="Column of the second text."),
    label: str = typer.Option(None, help="Column of the label."),
    out: Path = typer.Option(None, help="Directory for check.json and check.html."),
    overfit: bool = typer.Option(True, help="Train on one batch, where there is a model."),
    near: bool = typer.Option(False, "--near", help="Look for texts nearly the same as training texts, too."),
    as_json: bool = typer.Option(False, "--json", help="Print everything as one JSON object."),
) -> None:
    from erya.tasks.preflight.run import inspect

    named = {"model": model, "train_file": train, "dev_file": dev, "text": text, "pair": pair, "label": label}
    config, has_dev, has_model = _recipe(task, recipe, named, overrides or [])
    found = inspect(
        config,
        dev_file=Path(config.dev_file) if has_dev else None,
        test_file=test,
        has_model=has_model,
        overfit=overfit,
        near=near,
        tell=tell,
    )
    if out is not None:
        _write(out, found)
    if as_json:
        print_json(found.to_dict())
    else:
        _show(found)
    if found.has_errors:
        raise typer.Exit(2)


def _recipe(
    task: str, path: Path | None, named: Mapping[str, Any], overrides: list[str]
) -> tuple[FinetuneRecipe, bool, bool]:
    """The recipe, and whether it has a dev file and a model, which a check can do without."""
    from erya.config import read_config, validate
    from erya.tasks.table import KINDS

    kind = next((each for each in KINDS.values() if each.name == task), None)
    if kind is None:
        raise ConfigError(f"unknown task {task!r}", hint=nearest_hint(task, KINDS))
    fields = kind.recipe.model_fields
    for key in _COLUMNS:
        if named[key] is not None and key not in fields:
            raise ConfigError(f"{task} has no option --{key}", hint=nearest_hint(key, fields))
    data, where = read_config(path, as_overrides(named, {}, overrides))
    if "train_file" not in data:
        raise ConfigError("--train is missing", hint="see: erya check --help")
    has_dev, has_model = bool(data.get("dev_file")), bool(data.get("model"))
    blanks = {"dev_file": "", "model": ""}
    return validate(kind.recipe, {**blanks, **data}, where=where), has_dev, has_model


def _write(out: Path, found: Findings) -> None:
    from erya.files import atomic_write, to_json
    from erya.tasks.preflight.page import write_page

    with atomic_write(out / "check.json") as stream:
        stream.write(to_json(found.to_dict(), indent=1).encode("utf-8", "backslashreplace") + b"\n")
    write_page(out / "check.html", found, when=datetime.now(UTC).isoformat(timespec="seconds"))
    messages.print(f"page: {out / 'check.html'}", markup=False)


def _show(found: Findings) -> None:
    for name, of in found.files.items():
        size = f"{of['examples']:,} examples" if "examples" in of else "unusable"
        results.print(f"{name}: {size}", markup=False)
    if found.labels and len(found.labels) <= 30:
        spread = ", ".join(
            f"{label} {'+'.join(str(count) for count in of.values())}" for label, of in found.labels.items()
        )
        results.print(f"labels: {spread}", markup=False)
    for name, lengths in found.lengths.items():
        results.print(
            f"{name} tokens: median {lengths['median']:.0f}, 99 % {lengths['p99']:.0f}, longest "
            f"{lengths['longest']}; unknown {lengths['unknown_share']:.2%}",
            markup=False,
        )
    for each in found.findings:
        _show_finding(each)
    if not found.findings:
        results.print("nothing was found", markup=False)


def _show_finding(each: Finding) -> None:
    style = {"error": "red", "warning": "yellow"}.get(each.level)
    results.print(each.line(), markup=False, style=style)
