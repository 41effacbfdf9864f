"""`erya finetune`: a pre-trained encoder and labelled texts in, a model that predicts out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from erya.cli.console import messages, print_json, print_table
from erya.cli.speaking import speaks, tell
from erya.errors import ConfigError

if TYPE_CHECKING:
    from erya.tasks.classify.finetune import FineTuned
    from erya.tasks.classify.recipe import ClassifyRecipe
    from erya.tasks.classify.seeds import SeedsSummary

HELP = """Fine-tune a classifier on labelled texts.

The files are .tsv or .csv with a first line of column names, or .jsonl (one object a line); .gz .xz .bz2
.zst after that when compressed. The labels are those found in the training file; two or more. The dev file
decides when to stop and which state is kept: do not use the test file for it.

\b
Example:
  erya finetune classify --model models/base --train train.tsv --dev dev.tsv --out runs/sentiment \\
      --text text_a --truncate train.epochs=4 train.learning_rate=3e-5
  erya evaluate runs/sentiment/model test.tsv --text text_a --truncate
  erya predict runs/sentiment/model 房间很大，服务周到

\b
What you may want to change (key=value after the options; all keys: recipes/finetune/classify.yaml):
  train.learning_rate=5e-5   small models like 1e-4 to 5e-4, large ones 2e-5
  train.epochs=3             passes over the training file
  batch_size=32              texts a step
  max_length=256             longest input in tokens
  class_weights=balanced     when one class is rare; focal_gamma=2 is another answer to that
  train.seed=0               or --seeds 5 for the mean and deviation over five

The run goes on where it stopped when the same command is given again. Texts longer than the model's limit
are an error unless --truncate is given; how many were cut is shown and kept in the model's erya.json.
"""


def register(app: typer.Typer) -> None:
    """Add `erya finetune TASK`."""
    tasks = typer.Typer(
        help="Fine-tune a model for a task: classify.",
        epilog="Example: erya finetune classify --model DIR --train train.tsv --dev dev.tsv --out DIR",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    tasks.command("classify", help=HELP)(_classify)
    app.add_typer(tasks, name="finetune")


def _classify(
    overrides: list[str] = typer.Argument(None, metavar="[KEY=VALUE]...", help="Recipe keys."),
    out: Path = typer.Option(..., help="Run directory; the model ends up in OUT/model."),
    recipe: Path = typer.Option(None, help="A YAML recipe; options and KEY=VALUE override it."),
    model: Path = typer.Option(None, help="Model directory to start from."),
    train: Path = typer.Option(None, help="Labelled texts to learn from."),
    dev: Path = typer.Option(None, help="Labelled texts to choose the best state by."),
    text: str = typer.Option(None, help="Column of the text.  [default: text]"),
    pair: str = typer.Option(None, help="Column of the second text, for pairs."),
    label: str = typer.Option(None, help="Column of the label.  [default: label]"),
    truncate: bool = typer.Option(False, "--truncate", help="Cut texts longer than the limit."),
    random_init: bool = typer.Option(
        False,
        "--random-init",
        help="Only sizes and vocabulary from MODEL, random weights: the twin that "
        "shows what pre-training was worth.",
    ),
    seeds: int = typer.Option(1, min=1, help="Run with so many seeds, keep the best on dev."),
    resume: bool = typer.Option(True, help="Go on with the run in OUT, or set it aside and start over."),
    as_json: bool = typer.Option(False, "--json", help="Print the result as JSON."),
) -> None:
    named = {"model": model, "train_file": train, "dev_file": dev, "text": text, "pair": pair, "label": label}
    given = {key: str(value) for key, value in named.items() if value is not None}
    switches = {"truncate": truncate, "random_init": random_init}
    given |= {key: "true" for key, value in switches.items() if value}
    config = _load(recipe, given, overrides or [])
    if seeds > 1:
        _run_seeds(config, out, num_seeds=seeds, resume=resume, as_json=as_json)
    else:
        _run_once(config, out, resume=resume, as_json=as_json)


def _load(recipe: Path | None, given: dict[str, str], overrides: list[str]) -> ClassifyRecipe:
    """The recipe from file, options and overrides. Values of options are text, whatever they look like."""
    from erya.config import load_config
    from erya.tasks.classify.recipe import ClassifyRecipe

    wanted = {"model": "--model", "train_file": "--train", "dev_file": "--dev"}
    keys = {override.partition("=")[0] for override in overrides}
    if recipe is None and (missing := [o for key, o in wanted.items() if key not in given.keys() | keys]):
        raise ConfigError(f"{', '.join(missing)} is missing", hint="see: erya finetune classify --help")
    quoted = [f"{key}={_as_yaml(key, value)}" for key, value in given.items()]
    return load_config(ClassifyRecipe, recipe, [*quoted, *overrides])


def _as_yaml(key: str, value: str) -> str:
    """Quote names, so that a column called `1` or `no` stays a name."""
    return value if key in ("truncate", "random_init") else "'" + value.replace("'", "''") + "'"


def _run_once(config: ClassifyRecipe, out: Path, *, resume: bool, as_json: bool) -> None:
    from erya.cli.training_progress import TrainingProgress
    from erya.tasks.classify.finetune import finetune

    done = finetune(config, out, callbacks=[TrainingProgress()], tell=tell, resume=resume)
    _show(done, out, as_json=as_json)


def _run_seeds(config: ClassifyRecipe, out: Path, *, num_seeds: int, resume: bool, as_json: bool) -> None:
    from erya.cli.training_progress import TrainingProgress
    from erya.tasks.classify.seeds import finetune_seeds

    summary = finetune_seeds(
        config,
        out,
        num_seeds=num_seeds,
        callbacks=lambda seed: [TrainingProgress()],
        tell=tell,
        resume=resume,
    )
    _show_seeds(summary, out, as_json=as_json)


def _show(done: FineTuned, out: Path, *, as_json: bool) -> None:
    state = done.result.state
    if done.model is None:
        tell("interrupted; the same command goes on from here")
        raise typer.Exit(130)
    if not speaks():
        return
    scores = {"step": state.best_step, **state.best_metrics}
    if as_json:
        print_json({"model": str(done.model), "labels": list(done.labels), "steps": state.step, **scores})
        return
    if done.result.stopped_early:
        messages.print(f"stopped early at step {state.step}: the dev score did not get better any more")
    print_table("best on the dev file", [_readable(scores)], as_json=False)
    _next(out)


def _show_seeds(summary: SeedsSummary, out: Path, *, as_json: bool) -> None:
    if summary.best_seed is None:
        tell("interrupted; the same command goes on from here")
        raise typer.Exit(130)
    if not speaks():
        return
    rows: list[dict[str, Any]] = [{"seed": seed, **scores} for seed, scores in summary.scores.items()]
    rows += [{"seed": "mean", **summary.mean}, {"seed": "deviation", **summary.deviation}]
    shown = rows if as_json else [_readable(row) for row in rows]
    print_table(f"dev scores; model/ is the one of seed {summary.best_seed}", shown, as_json=as_json)
    if not as_json:
        _next(out)


def _readable(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with the names a table has room for."""
    return {name.removeprefix("eval_").replace("_", " "): value for name, value in row.items()}


def _next(out: Path) -> None:
    model = out / "model"
    messages.print(f"model: {model}\nnext:  erya evaluate {model} TEST_FILE", markup=False)
    messages.print(f"       erya predict {model} TEXT", markup=False)
