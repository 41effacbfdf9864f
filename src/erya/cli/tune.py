"""`erya tune`: many runs of one task in search of better recipe keys."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from erya.cli.console import messages, print_json, print_table
from erya.cli.finetuning import (
    DevOption,
    JsonOption,
    ModelOption,
    OverridesArgument,
    RecipeOption,
    ResumeOption,
    TrainOption,
    TruncateOption,
    as_overrides,
    require_files,
)
from erya.cli.speaking import tell
from erya.errors import ConfigError, nearest_hint

if TYPE_CHECKING:
    from erya.tasks.recipe import FinetuneRecipe
    from erya.tasks.tune.run import Tuned
    from erya.tasks.tune.space import Space

HELP = """Search recipe keys of a fine-tuning by many runs.

Each trial is a run as `erya finetune TASK` does it. What is searched stands under `space` in the recipe: for
each key a list of values, or bounds; without it, what usually matters most. The recipe's own values are tried
first, where they lie in the space; the search then follows what it has seen (a tree of Parzen estimators),
and a trial that is behind the median of the others is cut short. OUT/best.yaml and OUT/model are the best
trial's, OUT/tune.html shows all.

\b
Example:
  erya tune classify --model erya-mini --train train.tsv --dev dev.tsv --out runs/tune --trials 30 \\
      --truncate text=text_a
  erya finetune classify --recipe runs/tune/best.yaml --out runs/best --seeds 5

\b
A recipe with a space:
  model: erya-mini
  train_file: train.tsv
  dev_file: dev.tsv
  space:
    train.learning_rate: {low: 1.0e-4, high: 3.0e-3, log: true}
    train.epochs: {low: 2, high: 6}
    batch_size: [16, 32]
    train.average: [null, {kind: swa, start_ratio: 0.5}]

The search goes on where it stopped when the same command is given again, the trial it was killed in too; with
more --trials it goes on after its end. Needs the extra tune: pip install 'erya[tune]'.
"""


def register(app: typer.Typer) -> None:
    """Add `erya tune`."""
    app.command("tune", help=HELP)(_tune)


def _tune(
    task: str = typer.Argument(..., metavar="TASK", help="What is fine-tuned: classify, tag, ..."),
    overrides: list[str] = OverridesArgument,
    out: Path = typer.Option(..., help="Directory of the search; the best model ends up in OUT/model."),
    recipe: Path = RecipeOption,
    model: Path = ModelOption,
    train: Path = TrainOption,
    dev: Path = DevOption,
    truncate: bool = TruncateOption,
    trials: int = typer.Option(20, min=1, help="Trials of all calls together."),
    timeout: float = typer.Option(None, min=0, help="No trial begins after so many seconds of this call."),
    prune: bool = typer.Option(True, help="Cut trials short that are behind the median of the others."),
    resume: bool = ResumeOption,
    as_json: bool = JsonOption,
) -> None:
    from erya.runtime import require

    require("optuna")  # before files are read
    from erya.cli.tuning_progress import TuningProgress
    from erya.tasks.tune.run import tune

    named = {"model": model, "train_file": train, "dev_file": dev}
    config, space = _load(task, recipe, named, truncate, overrides or [])
    with TuningProgress(trials) as bar:
        tuned = tune(
            config,
            out,
            space=space,
            num_trials=trials,
            timeout_s=timeout,
            prune=prune,
            watcher=bar,
            tell=tell,
            resume=resume,
        )
    _show(tuned, out, task, as_json=as_json)


def _load(
    task: str, recipe: Path | None, named: Mapping[str, Path | None], truncate: bool, overrides: list[str]
) -> tuple[FinetuneRecipe, Space]:
    """The recipe, and what is searched."""
    from erya.config import read_config, validate
    from erya.tasks.table import KINDS
    from erya.tasks.tune.space import parse_space, usual_space

    kinds = {kind.name: kind for kind in KINDS.values()}
    kind = next((kind for name, kind in kinds.items() if name == task), None)
    if kind is None:
        raise ConfigError(f"there is no task {task!r}", hint=nearest_hint(task, kinds))
    said = as_overrides(named, {"truncate": truncate}, overrides)
    if recipe is None:
        require_files(said, hint="see: erya tune --help")
    data, where = read_config(recipe, said)
    given = data.pop("space", None)
    config: FinetuneRecipe = validate(kind.recipe, data, where=where)
    return config, usual_space(config) if given is None else parse_space(given, where=where)


def _show(tuned: Tuned, out: Path, task: str, *, as_json: bool) -> None:
    if tuned.interrupted:
        tell("interrupted; the same command goes on from here")
        raise typer.Exit(130)
    if as_json:
        best = tuned.best
        print_json(
            {
                "trials": len(tuned.outcomes),
                "best": None if best is None else {"trial": best.number, "score": best.score, **best.values},
                "model": None if tuned.model is None else str(tuned.model),
                "page": str(tuned.page),
            }
        )
        return
    if tuned.best is None:
        tell(f"no trial has come to its end; see {tuned.page}")
        return
    whole = sorted((each for each in tuned.outcomes if each.status == "whole"), key=_by_rank(tuned))
    rows = [{"trial": each.number, "score": each.score, **each.values} for each in whole[:5]]
    print_table(f"the best of {len(tuned.outcomes)} trials", rows, as_json=False)
    messages.print(f"plots:  {tuned.page}\nmodel:  {tuned.model}", markup=False)
    messages.print(
        f"next:   erya finetune {task} --recipe {out / 'best.yaml'} --out DIR --seeds 5", markup=False
    )


def _by_rank(tuned: Tuned) -> Any:
    assert tuned.recipe is not None and tuned.recipe.train.monitor is not None
    sign = -1.0 if tuned.recipe.train.monitor.mode == "max" else 1.0
    return lambda outcome: sign * outcome.score
