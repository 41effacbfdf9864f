"""`erya import`: somebody's weights as a model directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import typer

from erya.cli.console import print_json
from erya.cli.info import describe, print_description
from erya.cli.reading_progress import phases
from erya.errors import ConfigError

if TYPE_CHECKING:
    from erya.checkpoints.conversion import Conversion

HELP = """Make a model directory of somebody's weights.

CHECKPOINT is a Hugging Face directory (safetensors or pytorch_model.bin, sharded or whole) of BERT, ERNIE,
DistilBERT, ELECTRA, ALBERT, RoBERTa, XLM-R, RoFormer, NEZHA, DeBERTa-v2/v3 or ModernBERT; a TensorFlow 1
checkpoint (its folder, or .../bert_model.ckpt); a .bin of UER-py or TencentPretrain; weights of bert4keras.

Family and sizes are found by the tensors, whatever the folder is called. The vocabulary is the one beside the
weights, or --vocab; one of another size is refused. Case is folded as the tokenizer's files say; where there
are none, it is kept if the vocabulary has upper-case letters. OUT is written whole or not at all, with a
record of where it comes from in erya.json. What was found, what was left out, and what the model guesses for
masked words is printed.

\b
Examples:
  erya import chinese_L-12_H-768_A-12 --out models/bert
  erya import google_zh_model.bin --vocab google_zh_vocab.txt --out models/uer
  erya import electra_base/electra_base.ckpt --part generator --out models/generator
"""


def register(app: typer.Typer) -> None:
    """Add `erya import`."""
    app.command("import", help=HELP)(_import)


def _import(
    checkpoint: Path = typer.Argument(..., metavar="CHECKPOINT", help="A folder, a file, or .../NAME.ckpt."),
    out: Path = typer.Option(..., help="Model directory to make."),
    vocab: Path = typer.Option(
        None,
        metavar="PATH",
        help="vocab.txt or a directory with tokenizer files; else what is beside the weights.",
    ),
    lowercase: bool = typer.Option(
        None, "--lowercase/--keep-case", help="Whether texts are lower-cased, where you know better."
    ),
    part: str = typer.Option(
        None, metavar="PART", help="generator or discriminator, of an ELECTRA that TensorFlow saved."
    ),
    replace: bool = typer.Option(False, "--replace", help="Replace OUT if it is a directory of ours."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
) -> None:
    from erya.runtime import require

    require("torch")
    require("safetensors")
    from erya.checkpoints.conversion import import_model

    if part not in (None, "generator", "discriminator"):
        raise ConfigError(f"there is no part {part!r}", hint="--part generator or --part discriminator")
    with phases() as on_progress:
        conversion = import_model(
            checkpoint,
            out,
            vocabulary=vocab,
            lowercase=lowercase,
            part=cast(Literal["generator", "discriminator"] | None, part),
            replace=replace,
            on_progress=on_progress,
        )
    report = report_of(conversion, out)
    if as_json:
        print_json(report)
    else:
        print_description(report)


def report_of(conversion: Conversion, out: Path) -> dict[str, Any]:
    """What `erya info` says of the new directory, and before it how it came about."""
    described = describe(out)
    found = {
        "imported": conversion.kind,
        "out": str(out),
        "family": conversion.family,
        "family_by": conversion.family_by,
        "saved_as": conversion.saved_as,
        "left_out": list(conversion.left_out),
        "case": conversion.casing,
    }
    told = {name: value for name, value in described.items() if name not in ("kind", "path", "provenance")}
    notes = [*conversion.notes, *(note for note in described["notes"] if note not in conversion.notes)]
    return {**found, **{name: value for name, value in told.items() if name not in found}, "notes": notes}
