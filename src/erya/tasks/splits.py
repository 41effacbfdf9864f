"""The two files of a fine-tuning run, read and checked against each other. Needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from erya.tasks.folds.assign import take_fold
from erya.tasks.kind import AnyKind
from erya.tasks.recipe import FinetuneRecipe
from erya.tasks.task import Task


def read_split(kind: AnyKind, recipe: FinetuneRecipe) -> tuple[Task[Any, Any], list[Any], list[Any]]:
    """Read both files of a recipe; the training file says what the task is.

    Args:
        kind: of the task.
        recipe: its files, columns and options.
    Returns:
        The task, the examples to learn from, the dev examples.
    Raises:
        InputError: a file or a row cannot be used, nothing can be learnt, or the dev file has a label that
            the training file lacks (with its line).
    """
    train = list(kind.examples(Path(recipe.train_file), columns=recipe.columns, labelled=True))
    task = kind.task_for(recipe, train)
    if recipe.fold is not None:
        return (task, *take_fold(kind.name, train, recipe.fold, where=recipe.train_file))
    dev = list(kind.examples(Path(recipe.dev_file), columns=recipe.columns, labelled=True))
    kind.check(task, dev)
    return task, train, dev
