"""`erya finetune together`: several tasks on one encoder."""

from __future__ import annotations

from pathlib import Path

import typer

from erya.cli.console import messages, print_json, print_table
from erya.cli.finetuning import JsonOption, OverridesArgument, ResumeOption
from erya.cli.speaking import tell

HELP = """Fine-tune one encoder for several tasks, each with a head of its own.

RECIPE names the tasks. Every step is of one of them, drawn in proportion to the number of its batches to the
power of `alpha`: 1 goes by size, 0 draws all alike. OUT/models/NAME is a model directory like any other.

\b
Example:
  erya finetune together reviews.yaml --out runs/reviews
  erya predict runs/reviews/models/polarity 房间很大，服务周到

\b
A recipe (tasks have the keys of their own recipes; model, random_init, evals_per_epoch and train are shared):
  model: erya-mini
  alpha: 0.5
  train: {epochs: 3}
  tasks:
    polarity: {kind: classify, train_file: polarity.tsv, dev_file: polarity_dev.tsv, text: review}
    names: {kind: tag, train_file: names.txt, dev_file: names_dev.txt, batch_size: 16}

The state that is kept is the best by the mean of the scores each task is usually watched by; one task's score
is train.monitor.key=eval_NAME_SCORE. The run goes on where it stopped when the same command is given again.
"""


def register(tasks: typer.Typer) -> None:
    """Add `erya finetune together`."""
    tasks.command("together", help=HELP)(_together)


def _together(
    recipe: Path = typer.Argument(..., metavar="RECIPE", help="A YAML recipe with its tasks."),
    overrides: list[str] = OverridesArgument,
    out: Path = typer.Option(..., help="Run directory; the models end up in OUT/models/NAME."),
    resume: bool = ResumeOption,
    as_json: bool = JsonOption,
) -> None:
    from erya.cli.training_progress import TrainingProgress
    from erya.config import load_config
    from erya.tasks.together.recipe import TogetherRecipe
    from erya.tasks.together.run import finetune_together

    config = load_config(TogetherRecipe, recipe, overrides or [])
    done = finetune_together(config, out, callbacks=[TrainingProgress()], tell=tell, resume=resume)
    if not done.models:
        tell("interrupted; the same command goes on from here")
        raise typer.Exit(130)
    for name, model in done.models.items():
        scores = {key.removeprefix("eval_"): value for key, value in done.scores[name].items()}
        if as_json:
            print_json({"task": name, "model": str(model), **done.scores[name]})
        else:
            print_table(f"{name}: {model}", [scores], as_json=False)
    if not as_json:
        messages.print(f"next:  erya predict {next(iter(done.models.values()))} TEXT", markup=False)
