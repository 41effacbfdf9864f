"""A fine-tuning of any kind from the command line: the recipe put together, the run, what is printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from erya.bundled import DEFAULT_MODEL
from erya.cli.console import messages, print_json, print_table
from erya.cli.folds import cross_validate
from erya.cli.rate import find_rate
from erya.cli.speaking import speaks, tell
from erya.errors import ConfigError

if TYPE_CHECKING:
    from erya.tasks.finetune import FineTuned
    from erya.tasks.recipe import FinetuneRecipe
    from erya.tasks.seeds import SeedsSummary

# The options that every run needs, by the recipe's keys.
_COMMON = {"train_file": "--train", "dev_file": "--dev"}

# The options themselves, for the signatures of the tasks' commands.
OverridesArgument = typer.Argument(None, metavar="[KEY=VALUE]...", help="Recipe keys.")
OutOption = typer.Option(..., help="Run directory; the model ends up in OUT/model.")
RecipeOption = typer.Option(None, help="A YAML recipe; options and KEY=VALUE override it.")
ModelOption = typer.Option(
    None,
    help="Model directory to start from, or the name of one that comes with Erya.  "
    f"[default: {DEFAULT_MODEL}]",
)
TrainOption = typer.Option(None, help="Examples to learn from.")
DevOption = typer.Option(None, help="Examples to choose the best state by.")
TruncateOption = typer.Option(False, "--truncate", help="Cut texts longer than the limit.")
RandomInitOption = typer.Option(
    False,
    "--random-init",
    help="Only sizes and vocabulary from MODEL, random weights: the twin that shows what pre-training was "
    "worth.",
)
SeedsOption = typer.Option(1, min=1, help="Run with so many seeds, keep the best on dev.")
FoldsOption = typer.Option(
    1,
    min=1,
    help="Deal TRAIN into so many parts and hold out each once, in place of DEV; the models together are an "
    "ensemble.",
)
FindRateOption = typer.Option(
    False,
    "--find-rate",
    help="Train nothing: raise the learning rate until the loss leaps up, and suggest one.",
)
ResumeOption = typer.Option(True, help="Go on with the run in OUT, or set it aside and start over.")
JsonOption = typer.Option(False, "--json", help="Print the result as JSON.")


@dataclass(frozen=True, slots=True)
class Order:
    """How a run is to be done, as the common options of a command say it.

    Attributes:
        out: the run directory.
        seeds: how many runs, each with its seed.
        resume: whether a run that is there goes on.
        as_json: whether the result is printed as JSON.
        task: the kind's name, for advice.
        folds: into how many parts the training file is dealt; 1 leaves it whole.
        find_rate: whether a learning rate is looked for, and nothing trained.
    """

    out: Path
    seeds: int
    resume: bool
    as_json: bool
    task: str
    folds: int = 1
    find_rate: bool = False


def recipe_from(
    kind: type[FinetuneRecipe],
    recipe: Path | None,
    *,
    named: Mapping[str, object],
    switches: Mapping[str, bool],
    overrides: Sequence[str] | None,
    folds: int = 1,
) -> Any:
    """The recipe from file, options and overrides. Values of options are text, whatever they look like.

    Args:
        kind: the recipe's class.
        recipe: a file, or None.
        named: recipe keys that options gave; None where an option was not given.
        switches: recipe keys that are true where the option was given.
        overrides: KEY=VALUE from the command line.
        folds: more than one need no dev file.
    Raises:
        ConfigError: a key is missing, unknown or makes no sense.
    """
    from erya.config import load_config

    if folds > 1:
        # Nobody reads it, and a recipe wants one.
        named = {**named, "dev_file": named["dev_file"] or named["train_file"] or "-"}
    given = as_overrides(named, switches, overrides)
    if recipe is None:
        require_files(given, hint=f"see: erya finetune {kind.kind} --help")
    return load_config(kind, recipe, given)


def as_overrides(
    named: Mapping[str, object], switches: Mapping[str, bool], overrides: Sequence[str] | None
) -> list[str]:
    """All that a command line says of a recipe as KEY=VALUE, those a user wrote as such last: they win.

    Args:
        named: recipe keys that options gave, whose values are text; None where an option was not given.
        switches: recipe keys that are true where the option was given.
        overrides: KEY=VALUE from the command line.
    """
    options = [f"{key}={_as_yaml(str(value))}" for key, value in named.items() if value is not None]
    return [*options, *(f"{key}=true" for key, value in switches.items() if value), *(overrides or ())]


def require_files(given: Sequence[str], *, hint: str) -> None:
    """Check that a command line without a recipe file says what every run needs.

    Args:
        given: what `as_overrides` gave.
        hint: where to read more.
    Raises:
        ConfigError: something is missing.
    """
    keys = {override.partition("=")[0] for override in given}
    if missing := [option for key, option in _COMMON.items() if key not in keys]:
        raise ConfigError(f"{', '.join(missing)} is missing", hint=hint)


def _as_yaml(value: str) -> str:
    """Quoted, so that a column called `1` or `no` stays a name."""
    return "'" + value.replace("'", "''") + "'"


def fine_tune(config: FinetuneRecipe, order: Order) -> None:
    """Do it, and print how it went.

    Raises:
        typer.Exit: with code 130, when it was interrupted.
    """
    if order.find_rate:
        if order.folds > 1 or order.seeds > 1:
            raise ConfigError(
                "--find-rate trains nothing", hint="first without --seeds and --folds, then with them"
            )
        find_rate(config, order.out, as_json=order.as_json)
    elif order.folds > 1:
        if order.seeds > 1:
            raise ConfigError("--folds and --seeds are both given", hint="choose one of the two")
        cross_validate(config, order.out, num_folds=order.folds, resume=order.resume, as_json=order.as_json)
    elif order.seeds > 1:
        _run_seeds(config, order)
    else:
        _run_once(config, order)


def _run_once(config: FinetuneRecipe, order: Order) -> None:
    from erya.cli.training_progress import TrainingProgress
    from erya.tasks.finetune import finetune

    done = finetune(config, order.out, callbacks=[TrainingProgress()], tell=tell, resume=order.resume)
    _show(done, order)


def _run_seeds(config: FinetuneRecipe, order: Order) -> None:
    from erya.cli.training_progress import TrainingProgress
    from erya.tasks.seeds import finetune_seeds

    summary = finetune_seeds(
        config,
        order.out,
        num_seeds=order.seeds,
        callbacks=lambda seed: [TrainingProgress()],
        tell=tell,
        resume=order.resume,
    )
    _show_seeds(summary, order)


def _show(done: FineTuned, order: Order) -> None:
    state = done.result.state
    if done.model is None:
        tell("interrupted; the same command goes on from here")
        raise typer.Exit(130)
    if not speaks():
        return
    scores = {"step": state.best_step, **state.best_metrics}
    if order.as_json:
        labels = None if done.labels is None else list(done.labels)
        print_json({"model": str(done.model), "labels": labels, "steps": state.step, **scores})
        return
    if done.result.stopped_early:
        messages.print(f"stopped early at step {state.step}: the dev score did not get better any more")
    print_table("best on the dev file", [_readable(scores)], as_json=False)
    _next(order)


def _show_seeds(summary: SeedsSummary, order: Order) -> None:
    if summary.best_seed is None:
        tell("interrupted; the same command goes on from here")
        raise typer.Exit(130)
    if not speaks():
        return
    rows: list[dict[str, Any]] = [{"seed": seed, **scores} for seed, scores in summary.scores.items()]
    rows += [{"seed": "mean", **summary.mean}, {"seed": "deviation", **summary.deviation}]
    shown = rows if order.as_json else [_readable(row) for row in rows]
    print_table(f"dev scores; model/ is the one of seed {summary.best_seed}", shown, as_json=order.as_json)
    if not order.as_json:
        _next(order)


def _readable(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with the names a table has room for."""
    return {name.removeprefix("eval_").replace("_", " "): value for name, value in row.items()}


def _next(order: Order) -> None:
    model = order.out / "model"
    messages.print(f"model: {model}\nnext:  erya evaluate {model} TEST_FILE", markup=False)
    messages.print(f"       erya predict {model} TEXT", markup=False)
