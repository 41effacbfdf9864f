"""`erya finetune TASK --folds K`: a run for each part of the file that is held out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from erya.cli.console import messages, print_table
from erya.cli.speaking import tell

if TYPE_CHECKING:
    from erya.tasks.recipe import FinetuneRecipe


def cross_validate(config: FinetuneRecipe, out: Path, *, num_folds: int, resume: bool, as_json: bool) -> None:
    """Do it, and print the scores.

    Raises:
        typer.Exit: with code 130, when it was interrupted.
    """
    from erya.cli.training_progress import TrainingProgress
    from erya.tasks.folds.run import OUT_OF_FOLD_FILE, finetune_folds

    summary = finetune_folds(
        config,
        out,
        num_folds=num_folds,
        callbacks=lambda fold: [TrainingProgress()],
        tell=tell,
        resume=resume,
    )
    if summary.interrupted:
        tell("interrupted; the same command goes on from here")
        raise typer.Exit(130)
    rows: list[dict[str, Any]] = [{"fold": fold, **scores} for fold, scores in enumerate(summary.scores)]
    rows += [{"fold": "mean", **summary.mean}, {"fold": "deviation", **summary.deviation}]
    # All answers as one set have no loss of their own.
    absent = {} if as_json else dict.fromkeys(summary.mean, "")
    rows.append({"fold": "together", **absent, **summary.together})
    shown = rows if as_json else [_readable(row) for row in rows]
    print_table("scores on what each fold held out", shown, as_json=as_json)
    if as_json:
        return
    messages.print(f"answers of models that had not seen the text: {out / OUT_OF_FOLD_FILE}", markup=False)
    if summary.model is not None:
        messages.print(f"model: {summary.model}, the mean of {num_folds}", markup=False)
        messages.print(f"next:  erya evaluate {summary.model} TEST_FILE", markup=False)


def _readable(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with the names a table has room for."""
    return {name.removeprefix("eval_").replace("_", " "): value for name, value in row.items()}
