"""`erya export`: a model directory for other programs."""

from __future__ import annotations

import tempfile
from enum import StrEnum
from pathlib import Path

import typer

from erya.cli.console import print_json
from erya.cli.info import print_description
from erya.cli.speaking import tell
from erya.errors import ConfigError

HELP = """Write a model for another program.

--to huggingface writes a directory that `transformers` opens: AutoModel..., AutoTokenizer and its pipelines,
with no missing and no unexpected tensor. A directory of ours opens there as it is; this one has nothing of
ours in it, and its tokenizer knows where texts must be cut. OUT is written whole or not at all.

\b
Example:
  erya export runs/sentiment/model --to huggingface --out sentiment-hf
  erya export runs/base --step 20000 --to huggingface --out base-hf

Of a pre-training run, also one that is going on or was interrupted, it writes the model of a checkpoint, by
however many processes that was written.
"""


class Target(StrEnum):
    """For what is written."""

    HUGGINGFACE = "huggingface"


def register(app: typer.Typer) -> None:
    """Add `erya export`."""
    app.command("export", help=HELP)(_export)


def _export(
    model: Path = typer.Argument(
        ..., metavar="MODEL", help="A model directory, or that of a pre-training run."
    ),
    to: Target = typer.Option(..., help="For which program."),
    out: Path = typer.Option(..., help="Directory to make."),
    step: int = typer.Option(None, help="Of a run: which checkpoint.  [default: the best, or the last]"),
    replace: bool = typer.Option(False, "--replace", help="Replace OUT if it holds a model."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
) -> None:
    from erya.runtime import require

    require("torch")
    require("safetensors")
    from erya.checkpoints.conversion import export_model
    from erya.pretrain.merge import is_run, model_of_run

    with tempfile.TemporaryDirectory(prefix="erya-model-") as place:
        if is_run(model):
            merged = Path(place) / "model"
            step = model_of_run(model, merged, step=step, tell=tell)
            model = merged
        elif step is not None:
            raise ConfigError("--step goes with the directory of a run", where=str(model))
        written = export_model(model, out, replace=replace)
    report = {
        "exported": str(out),
        "step": step,
        "to": to.value,
        "family": written.family,
        "saved_as": written.saved_as,
        "heads": list(written.heads),
        "left_out": list(written.left_out),
        "case": written.casing,
        "open_with": f'transformers.{written.saved_as}.from_pretrained("{out}")',
        "notes": list(written.notes),
    }
    if as_json:
        print_json(report)
    else:
        print_description(report)
