"""`erya finetune answer`: questions with their contexts in, a model that cuts answers out of contexts out."""

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
    fine_tune,
    recipe_from,
)

HELP = """Fine-tune a model that answers questions with a piece of a context.

The files are .json as SQuAD, CMRC 2018 and DRCD have it, or .jsonl (one object a line: question, context,
answers as a list of {"text", "start"}; [] says that the context has none), or .tsv, .csv and .parquet with
the same columns; .gz .xz .bz2 .zst after that when compressed. Contexts of any length are cut into windows
that overlap; nothing of them is lost. The dev file decides when to stop, which state is kept and, where some
questions have no answer, from which doubt on none is given: do not use the test file for it.

\b
Example:
  erya finetune answer --model erya-mini --train cmrc_train.json --dev cmrc_dev.json --out runs/reader \\
      --bad-answers mend train.epochs=2
  erya predict runs/reader/model questions.jsonl > answers.jsonl
  printf '首都在哪里？\\t首都在北京。\\n' | erya predict runs/reader/model - --tab

\b
What you may want to change (key=value after the options; all keys: recipes/finetune/answer.yaml):
  train.learning_rate=5e-4   instead of what is usual for the model's width (--find-rate)
  train.epochs=3             passes over the training file
  max_length=384             longest window in tokens, the question included
  stride=128                 tokens two windows share: as long as answers are
  max_answer_length=128      longest answer given, in characters
  num_answers=3              answers given to a question, the likeliest first
  train.seed=0               or --seeds 5 for the mean and deviation over five

An answer that is not in its context where the file says is an error unless --bad-answers is given: `mend`
looks for its text and takes the place if there is but one, `skip` does not learn from it. Answers that begin
or end inside a token cannot be learnt; they are counted and the first are named. The run goes on where it
stopped when the same command is given again.
"""


def register(tasks: typer.Typer) -> None:
    """Add `erya finetune answer`."""
    tasks.command("answer", help=HELP)(_answer)


def _answer(
    overrides: list[str] = OverridesArgument,
    out: Path = OutOption,
    recipe: Path = RecipeOption,
    model: Path = ModelOption,
    train: Path = TrainOption,
    dev: Path = DevOption,
    question: str = typer.Option(None, help="Column of the question.  [default: question]"),
    context: str = typer.Option(None, help="Column of the context.  [default: context]"),
    answers: str = typer.Option(None, help="Column of the answers.  [default: answers]"),
    bad_answers: str = typer.Option(
        None, help="Answers not where the file says: refuse, skip or mend.  [default: refuse]"
    ),
    truncate: bool = typer.Option(
        False, "--truncate", help="Cut questions so long that they leave no room for the context."
    ),
    random_init: bool = RandomInitOption,
    seeds: int = SeedsOption,
    folds: int = FoldsOption,
    find_rate: bool = FindRateOption,
    resume: bool = ResumeOption,
    as_json: bool = JsonOption,
) -> None:
    from erya.tasks.answer.recipe import AnswerRecipe

    config = recipe_from(
        AnswerRecipe,
        recipe,
        named={
            "model": model,
            "train_file": train,
            "dev_file": dev,
            "question": question,
            "context": context,
            "answers": answers,
            "bad_answers": bad_answers,
        },
        switches={"truncate": truncate, "random_init": random_init},
        overrides=overrides,
        folds=folds,
    )
    fine_tune(config, Order(out, seeds, resume, as_json, "answer", folds, find_rate))
