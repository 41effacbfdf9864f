"""`erya evaluate`: how good is a model on a labelled file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from erya.cli.console import messages, print_json, print_table
from erya.cli.options import PrecisionOption

if TYPE_CHECKING:
    from erya.evaluate.run import Evaluation

HELP = """Score a fine-tuned model on a labelled file.

Prints accuracy and, for each class, precision, recall and F1, and writes into OUT: report.html (one file
with tables, confusion matrix, loss curves and the most confident mistakes; fetches nothing), metrics.json
and predictions.jsonl. MODEL is a directory that `erya finetune classify` wrote or any Hugging Face
sequence classifier's (BERT, ERNIE, RoBERTa, ...). An OUT that holds the report of another model or of other
data is not overwritten.

\b
Example:
  erya evaluate runs/sentiment/model test.tsv --text text_a --truncate --out runs/sentiment/test
"""


def register(app: typer.Typer) -> None:
    """Add `erya evaluate`."""
    app.command("evaluate", help=HELP)(_evaluate)


def _evaluate(
    model: Path = typer.Argument(..., metavar="MODEL", help="Model directory."),
    data: Path = typer.Argument(..., metavar="DATA", help="Labelled file: .tsv .csv .jsonl."),
    out: Path = typer.Option(Path("evaluation"), help="Directory for the report."),
    text: str = typer.Option("text", help="Column of the text."),
    pair: str = typer.Option(None, help="Column of the second text, for pairs."),
    label: str = typer.Option("label", help="Column of the label."),
    truncate: bool = typer.Option(False, "--truncate", help="Cut texts longer than the limit."),
    max_length: int = typer.Option(None, help="Longest input in tokens.  [default: the model's]"),
    batch_tokens: int = typer.Option(8192, min=1, help="Tokens computed at once."),
    precision: str = PrecisionOption,
    device: str = typer.Option("auto", help="auto, cpu, cuda or cuda:N."),
    as_json: bool = typer.Option(False, "--json", help="Print everything as one JSON object."),
) -> None:
    from erya.cli.options import parse_precision
    from erya.cli.progress import counting
    from erya.evaluate.report import SCORES_FILE, require_same, training_rows, write_report
    from erya.evaluate.run import evaluate
    from erya.files import atomic_write, to_json
    from erya.tasks.predictor import Predictor

    require_same(out, model=model, data=data)
    predictor = Predictor.open(model, device=device, precision=parse_precision(precision))
    columns = {"text": text, **({"pair": pair} if pair is not None else {}), "label": label}
    with counting("evaluating", unit="texts") as progress:
        done = evaluate(
            predictor,
            data,
            model=model,
            columns=columns,
            truncate=truncate,
            max_length=max_length,
            batch_tokens=batch_tokens,
            predictions=out / "predictions.jsonl",
            progress=progress,
        )
    write_report(out / "report.html", done, training=training_rows(model))
    with atomic_write(out / SCORES_FILE) as stream:
        stream.write(to_json(done.to_dict(), indent=2).encode())
    _show(done, out, as_json=as_json)


def _show(done: Evaluation, out: Path, *, as_json: bool) -> None:
    for line in [*done.encoding.lines(), *done.warnings]:
        messages.print(line, markup=False)
    if as_json:
        print_json(done.to_dict() | {"report": str(out / "report.html")})
        return
    scores = done.scores
    rows: list[dict[str, Any]] = [
        {
            "class": row.label,
            "precision": row.precision,
            "recall": row.recall,
            "F1": row.f1,
            "texts": row.support,
        }
        for row in scores.classes
    ]
    for name, mean in (("macro average", scores.macro), ("weighted average", scores.weighted)):
        figures = {"precision": mean.precision, "recall": mean.recall, "F1": mean.f1}
        rows.append({"class": name, **figures, "texts": scores.num_examples})
    right = f"accuracy {scores.accuracy:.4f} on {scores.num_examples:,} texts"
    print_table(f"{done.data.name}: {right}", rows, as_json=False)
    messages.print(f"report: {out / 'report.html'}", markup=False)
