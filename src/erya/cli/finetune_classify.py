"""`erya finetune classify`: labelled texts in, a classifier out."""

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

HELP = """Fine-tune a classifier on labelled texts.

A text has one label; or any number of them, joined by a SEPARATOR (each is judged by itself, with a threshold
chosen on the dev file); or one of each of several columns, which are learnt at once.

The files are .tsv or .csv with a first line of column names (or none: --text 2 --label 1 are numbers of
columns), or .jsonl (one object a line); .gz .xz .bz2 .zst after that when compressed. The labels are those
found in the training file; two or more. The dev file decides when to stop and which state is kept: do not use
the test file for it.

\b
Example:
  erya finetune classify --model erya-mini --train train.tsv --dev dev.tsv --out runs/sentiment \\
      --text text_a --truncate train.epochs=4
  erya evaluate runs/sentiment/model test.tsv --text text_a --truncate
  erya predict runs/sentiment/model 房间很大，服务周到

\b
What you may want to change (key=value after the options; all keys: recipes/finetune/classify.yaml):
  train.learning_rate=5e-4   instead of what is usual for the model's width (--find-rate)
  train.epochs=3             passes over the training file
  batch_size=32              texts a step
  max_length=256             longest input in tokens
  class_weights=balanced     when one class is rare; focal_gamma=2 is another answer to that
  separator='|'              several labels of a text may be true: 交通|天气
  label=[polarity,topic]     two columns of labels at once
  stride=64                  long texts are read in windows that share 64 tokens; nothing is cut
  craft.r_drop.weight=1      and adversarial, mixup, lora, freeze, ...: see the recipe file
  train.seed=0               or --seeds 5 for the mean and deviation over five

The run goes on where it stopped when the same command is given again. Texts longer than the model's limit
are an error unless --truncate is given; how many were cut is shown and kept in the model's erya.json.
"""


def register(tasks: typer.Typer) -> None:
    """Add `erya finetune classify`."""
    tasks.command("classify", help=HELP)(_classify)


def _classify(
    overrides: list[str] = OverridesArgument,
    out: Path = OutOption,
    recipe: Path = RecipeOption,
    model: Path = ModelOption,
    train: Path = TrainOption,
    dev: Path = DevOption,
    text: str = typer.Option(None, help="Column of the text.  [default: text]"),
    pair: str = typer.Option(None, help="Column of the second text, for pairs."),
    label: str = typer.Option(None, help="Column of the label.  [default: label]"),
    truncate: bool = TruncateOption,
    random_init: bool = RandomInitOption,
    seeds: int = SeedsOption,
    folds: int = FoldsOption,
    find_rate: bool = FindRateOption,
    resume: bool = ResumeOption,
    as_json: bool = JsonOption,
) -> None:
    from erya.tasks.classify.recipe import ClassifyRecipe

    config = recipe_from(
        ClassifyRecipe,
        recipe,
        named={
            "model": model, "train_file": train, "dev_file": dev, "text": text, "pair": pair, "label": label
        },
        switches={"truncate": truncate, "random_init": random_init},
        overrides=overrides,
        folds=folds,
    )  # fmt: skip
    fine_tune(config, Order(out, seeds, resume, as_json, "classify", folds, find_rate))
