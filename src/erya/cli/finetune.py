"""`erya finetune`: a pre-trained encoder and examples in, a model that predicts out. One thin file a task."""

from __future__ import annotations

import typer

from erya.cli import (
    finetune_answer,
    finetune_classify,
    finetune_embed,
    finetune_match,
    finetune_tag,
    finetune_together,
)

_TASKS = (
    finetune_classify,
    finetune_tag,
    finetune_answer,
    finetune_match,
    finetune_embed,
    finetune_together,
)


def register(app: typer.Typer) -> None:
    """Add `erya finetune TASK`."""
    tasks = typer.Typer(
        help="Fine-tune a model for a task.",
        epilog="Example: erya finetune classify --model DIR --train train.tsv --dev dev.tsv --out DIR",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    for task in _TASKS:
        task.register(tasks)
    app.add_typer(tasks, name="finetune")
