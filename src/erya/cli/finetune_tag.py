"""`erya finetune tag`: texts with entities or words in, a model that finds them out."""

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

HELP = """Fine-tune a model that finds entities, words or parts of speech.

The files are CoNLL lines (a character and its tag, an empty line between sentences; BIO, BIOES, BMES, IO),
CLUENER's JSON lines, doccano's, Label Studio's .json, or rows (.jsonl .parquet .tsv .csv) with `text` and
`entities`: [{"start": 0, "end": 2, "type": "PER"}] in characters of the text, the end not included; or with
`words` and perhaps `tags`, lists, for segmentation and parts of speech. .gz .xz .bz2 .zst after that when
compressed. The types are those of the training file. The dev file decides when to stop and which state is
kept: do not use the test file for it.

\b
Example:
  erya finetune tag --model erya-mini --train train.char.bmes --dev dev.char.bmes --out runs/entities \\
      --head crf --scheme bioes train.epochs=5
  erya evaluate runs/entities/model test.char.bmes
  erya predict runs/entities/model 张三在北京工作

\b
What you may want to change (key=value after the options; all keys: recipes/finetune/tag.yaml):
  train.learning_rate=5e-4   instead of what is usual for the model's width (--find-rate)
  train.epochs=3             passes over the training file
  max_length=256             longest window in tokens; longer texts are cut into windows that overlap
  stride=64                  tokens two windows share: for --head span_pairs as long as entities are
  threshold=0.5              with --head span_pairs: more for precision, less for recall
  train.seed=0               or --seeds 5 for the mean and deviation over five

An entity that does not fit its text is an error unless --bad-entities skip leaves it out. Entities that begin
or end inside a token cannot be learnt; they are counted, the first are named, and they count as missed. The
run goes on where it stopped when the same command is given again.
"""


def register(tasks: typer.Typer) -> None:
    """Add `erya finetune tag`."""
    tasks.command("tag", help=HELP)(_tag)


def _tag(
    overrides: list[str] = OverridesArgument,
    out: Path = OutOption,
    recipe: Path = RecipeOption,
    model: Path = ModelOption,
    train: Path = TrainOption,
    dev: Path = DevOption,
    text: str = typer.Option(None, help="Key of the text, where a file has rows.  [default: text]"),
    entities: str = typer.Option(None, help="Key of the entities.  [default: entities]"),
    column: int = typer.Option(None, help="Column of the tag in CoNLL lines, from 0.  [default: the last]"),
    head: str = typer.Option(
        None, help="linear, crf, or span_pairs (entities that nest or overlap).  [default: linear]"
    ),
    scheme: str = typer.Option(None, help="Of tags: io, bio or bioes.  [default: bio]"),
    bad_entities: str = typer.Option(
        None, help="Entities that do not fit their text: refuse or skip.  [default: refuse]"
    ),
    truncate: bool = TruncateOption,
    random_init: bool = RandomInitOption,
    seeds: int = SeedsOption,
    folds: int = FoldsOption,
    find_rate: bool = FindRateOption,
    resume: bool = ResumeOption,
    as_json: bool = JsonOption,
) -> None:
    from erya.tasks.tag.recipe import TagRecipe

    named = {"model": model, "train_file": train, "dev_file": dev, "text": text, "entities": entities}
    choices = {"head": head, "scheme": scheme, "bad_entities": bad_entities}
    numbers = [] if column is None else [f"column={column}"]
    config = recipe_from(
        TagRecipe,
        recipe,
        named={**named, **choices},
        switches={"truncate": truncate, "random_init": random_init},
        overrides=[*numbers, *(overrides or ())],
        folds=folds,
    )
    fine_tune(config, Order(out, seeds, resume, as_json, "tag", folds, find_rate))
