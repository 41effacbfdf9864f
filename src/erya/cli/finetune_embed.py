"""`erya finetune embed`: texts or pairs in, a model that makes sentence vectors out."""

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

HELP = """Fine-tune sentence vectors: texts that mean the same shall lie close together.

\b
What there is to learn from decides the objective:
  cosent     pairs with a score (0 and 1, or 0 to 5): those with a higher one shall lie closer
  in_batch   pairs that mean the same, perhaps with hard negatives: closer than to all others of the batch
  simcse     bare texts (a .txt, a text a line): closer to themselves under another dropout

The dev file has pairs, with scores (the rank correlation is shown, and a threshold from which on pairs are
called similar is found) or without (how well a text finds its own pair among all).

\b
Example:
  erya finetune embed --model erya-mini --train sts.tsv --dev sts-dev.tsv --out runs/vectors \\
      --objective cosent --score label
  erya finetune embed --model erya-mini --train texts.txt --dev sts-dev.tsv --out runs/simcse \\
      --objective simcse train.epochs=1
  erya predict runs/vectors/model 房间很大
  erya search index runs/vectors/model DOCUMENTS --out index

\b
What you may want to change (key=value after the options; all keys: recipes/finetune/embed.yaml):
  pooling=mean               or cls, first_last_mean
  batch_size=64              examples compared with each other; memory is bounded by chunk_tokens instead
  temperature=0.05           cosines are divided by it
  sizes=[64,128]             vectors that may be cut to these widths
  query_prefix=查询：          words before a text that asks; passage_prefix before those to be found
  train.learning_rate=5e-4   instead of what is usual for the model's width (--find-rate)

The model directory opens in sentence-transformers, too (pooling cls and mean).
The run goes on where it stopped when the same command is given again.
"""


def register(tasks: typer.Typer) -> None:
    """Add `erya finetune embed`."""
    tasks.command("embed", help=HELP)(_embed)


def _embed(
    overrides: list[str] = OverridesArgument,
    out: Path = OutOption,
    recipe: Path = RecipeOption,
    model: Path = ModelOption,
    train: Path = TrainOption,
    dev: Path = DevOption,
    text: str = typer.Option(None, help="Column of the text.  [default: text]"),
    pair: str = typer.Option(None, help="Column of the second text.  [default: pair]"),
    score: str = typer.Option(None, help="Column of the score of a pair.  [default: score]"),
    negatives: str = typer.Option(None, help="Column of the hard negatives.  [default: negatives]"),
    objective: str = typer.Option(None, help="cosent, in_batch or simcse.  [default: cosent]"),
    pooling: str = typer.Option(None, help="mean, cls or first_last_mean.  [default: mean]"),
    truncate: bool = TruncateOption,
    random_init: bool = RandomInitOption,
    seeds: int = SeedsOption,
    folds: int = FoldsOption,
    find_rate: bool = FindRateOption,
    resume: bool = ResumeOption,
    as_json: bool = JsonOption,
) -> None:
    from erya.tasks.embed.recipe import EmbedRecipe

    files = {"model": model, "train_file": train, "dev_file": dev}
    columns = {"text": text, "pair": pair, "score": score, "negatives": negatives}
    config = recipe_from(
        EmbedRecipe,
        recipe,
        named={**files, **columns, "objective": objective, "pooling": pooling},
        switches={"truncate": truncate, "random_init": random_init},
        overrides=overrides,
        folds=folds,
    )
    fine_tune(config, Order(out, seeds, resume, as_json, "embed", folds, find_rate))
