"""`erya finetune match`: scored pairs in, a judge of pairs out."""

from __future__ import annotations

from pathlib import Path

import typer

from erya.cli.finetuning import (
    DevOption,
    FindRateOption,
    FoldsOption,
    JsonOption,
    ModelOption,
    Order,
    OutOption,
    OverridesArgument,
    RandomInitOption,
    RecipeOption,
    ResumeOption,
    SeedsOption,
    TrainOption,
    TruncateOption,
    fine_tune,
    recipe_from,
)

HELP = """Fine-tune a judge of pairs: both texts are read together, and scored.

The files are .tsv, .csv, .jsonl or .parquet with two columns of text and one of the label, by name or,
where no first line names them, by number (--text 1 --pair 2 --label 3). Labels are classes, and the score is
the probability of the last one (of 0 and 1, of 1); with --objective regress they are numbers, such as
similarity from 0 to 5. For re-ranking, a .jsonl has a query a line, and what is scored is the order of its
candidates.

\b
A line for re-ranking:
  {"query": "怎么还款", "candidates": ["如何还款", "怎么开户"], "relevance": [1, 0]}

\b
Example:
  erya finetune match --model erya-mini --train train.tsv --dev dev.tsv --out runs/same \\
      --text s1 --pair s2
  erya finetune match --model erya-mini --train sts.tsv --dev sts-dev.tsv --out runs/sts \\
      --objective regress low=0 high=5
  printf '怎么还款\\t如何还款\\n' | erya predict runs/same/model - --tab

\b
What you may want to change (key=value after the options; all keys: recipes/finetune/match.yaml):
  train.learning_rate=5e-4   instead of what is usual for the model's width (--find-rate)
  train.epochs=3             passes over the training file
  batch_size=32              pairs a step
  loss=bce                   numbers as probabilities; mse is the squared error
  ranked=true                rows with the same first text are candidates for one query
  train.monitor.key=eval_mrr@10   for candidates; also eval_ndcg@10, eval_map

The run goes on where it stopped when the same command is given again.
"""


def register(tasks: typer.Typer) -> None:
    """Add `erya finetune match`."""
    tasks.command("match", help=HELP)(_match)


def _match(
    overrides: list[str] = OverridesArgument,
    out: Path = OutOption,
    recipe: Path = RecipeOption,
    model: Path = ModelOption,
    train: Path = TrainOption,
    dev: Path = DevOption,
    text: str = typer.Option(None, help="Column of the first text.  [default: text]"),
    pair: str = typer.Option(None, help="Column of the second text.  [default: pair]"),
    label: str = typer.Option(None, help="Column of the class or number.  [default: label]"),
    objective: str = typer.Option(None, help="classify or regress.  [default: classify]"),
    truncate: bool = TruncateOption,
    random_init: bool = RandomInitOption,
    seeds: int = SeedsOption,
    folds: int = FoldsOption,
    find_rate: bool = FindRateOption,
    resume: bool = ResumeOption,
    as_json: bool = JsonOption,
) -> None:
    from erya.tasks.match.recipe import MatchRecipe

    files = {"model": model, "train_file": train, "dev_file": dev}
    config = recipe_from(
        MatchRecipe,
        recipe,
        named={**files, "text": text, "pair": pair, "label": label, "objective": objective},
        switches={"truncate": truncate, "random_init": random_init},
        overrides=overrides,
        folds=folds,
    )
    fine_tune(config, Order(out, seeds, resume, as_json, "match", folds, find_rate))
