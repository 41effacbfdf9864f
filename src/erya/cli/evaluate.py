"""`erya evaluate`: how good is a model on a labelled file, and which of two is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from erya.cli.console import messages, print_json, print_table
from erya.cli.options import PrecisionOption
from erya.errors import InputError

if TYPE_CHECKING:
    from erya.evaluate.compare import Comparison
    from erya.evaluate.estimates import Estimate
    from erya.evaluate.evaluation import Evaluation
    from erya.tasks.kind import AnyKind
    from erya.tasks.predictor import Predictor

HELP = """Score a fine-tuned model on a labelled file, or compare two models on it.

Prints the scores with 95 % intervals, and writes into OUT: report.html (one file with tables, confusions,
calibration, scores of parts of the file, loss curves, the worst mistakes and suspected label errors;
fetches nothing), metrics.json, predictions.jsonl and, of classes, suspects.tsv (labels that are probably
wrong, ready to be corrected). MODEL is a directory that `erya finetune` wrote, or any Hugging Face model
with a head for a task (BERT, ERNIE, RoBERTa, ...). Two models are compared example by example: the report
says which is better, by a test of significance, and where. An OUT that holds the report of another model
or of other data is not overwritten.

Columns have the names they had in training, unless options say otherwise.

\b
Example:
  erya evaluate runs/sentiment/model test.tsv --out runs/sentiment/test
  erya evaluate runs/sentiment/model test.tsv --train train.tsv --source site
  erya evaluate runs/small/model runs/large/model --on test.tsv --out runs/small-or-large
"""


def register(app: typer.Typer) -> None:
    """Add `erya evaluate`."""
    app.command("evaluate", help=HELP)(_evaluate)


@dataclass(frozen=True, slots=True)
class _Options:
    """What is the same for one model and for two."""

    source: str | None
    train: Path | None
    truncate: bool
    max_length: int | None
    batch_tokens: int

    def to_dict(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "train": self.train,
            "truncate": self.truncate,
            "max_length": self.max_length,
            "batch_tokens": self.batch_tokens,
        }


def _evaluate(
    paths: list[Path] = typer.Argument(..., metavar="MODEL DATA | MODEL MODEL --on DATA", help="See above."),
    on: Path = typer.Option(None, "--on", help="Labelled file, where two models are compared."),
    out: Path = typer.Option(Path("evaluation"), help="Directory for the report."),
    text: str = typer.Option(None, help="Column of the text.  [default: as in training]"),
    pair: str = typer.Option(None, help="Column of the second text, for pairs."),
    label: str = typer.Option(None, help="Column of the label.  [default: as in training]"),
    column: list[str] = typer.Option(None, metavar="FIELD=NAME", help="Column of any other field."),
    source: str = typer.Option(None, help="Column that says where a text comes from: scores by source."),
    train: Path = typer.Option(None, help="Training file: scores with and without the texts it has too."),
    out_of_fold: Path = typer.Option(None, help="out_of_fold.jsonl of --folds: doubtful training labels."),
    truncate: bool = typer.Option(False, "--truncate", help="Cut texts longer than the limit."),
    max_length: int = typer.Option(None, help="Longest input in tokens.  [default: the model's]"),
    batch_tokens: int = typer.Option(8192, min=1, help="Tokens computed at once."),
    precision: str = PrecisionOption,
    device: str = typer.Option("auto", help="auto, cpu, cuda or cuda:N."),
    as_json: bool = typer.Option(False, "--json", help="Print everything as one JSON object."),
) -> None:
    from erya.cli.options import parse_precision
    from erya.evaluate.report import require_same
    from erya.tasks.predictor import Predictor, kind_of

    models, data = _models_and_data(paths, on)
    given = {"text": text, "pair": pair, "label": label, **_named_columns(column or [])}
    if out_of_fold is not None and len(models) > 1:
        what = "--out-of-fold is for the report of one model, two were given"
        raise InputError(what, hint="erya evaluate MODEL DATA --out-of-fold FILE")
    options = _Options(source, train, truncate, max_length, batch_tokens)
    require_same(out, models=models, data=data)
    kind = kind_of(models[0])
    predictors = [
        Predictor.open(model, device=device, precision=parse_precision(precision)) for model in models
    ]
    columns = _columns(
        predictors[0], kind, {field: name for field, name in given.items() if name is not None}
    )
    if len(models) == 1:
        _one(predictors[0], models[0], data, columns, options, out, out_of_fold, as_json=as_json)
    else:
        _two(predictors, models, data, columns, options, out, as_json=as_json)


def _models_and_data(paths: Sequence[Path], on: Path | None) -> tuple[list[Path], Path]:
    """One or two models, and the file.

    Raises:
        InputError: there are too few or too many of either; says how it is typed.
    """
    form = "erya evaluate MODEL DATA, or erya evaluate MODEL MODEL --on DATA"
    if on is not None:
        if len(paths) > 2:
            raise InputError(f"{len(paths)} models were given, two can be compared", hint=form)
        for path in paths:
            if path.is_file():
                raise InputError("a model directory is wanted, this is a file", where=str(path), hint=form)
        return list(paths), on
    if len(paths) == 2 and paths[1].is_dir():
        raise InputError("two directories were given and no file to score them on", hint=form)
    if len(paths) != 2:
        what = (
            "no file to score the model on was given" if len(paths) == 1 else f"{len(paths)} paths were given"
        )
        raise InputError(what, hint=form)
    return [paths[0]], paths[1]


def _named_columns(given: Sequence[str]) -> dict[str, str]:
    """`FIELD=NAME` pairs as a mapping."""
    columns = {}
    for pair in given:
        field, equals, name = pair.partition("=")
        if not (field and equals and name):
            raise InputError(f"--column {pair!r} is no FIELD=NAME", hint="such as --column context=passage")
        columns[field] = name
    return columns


def _columns(predictor: Predictor, kind: AnyKind, given: Mapping[str, str]) -> dict[str, str]:
    """The columns as the model was trained with them, or as the task has them; then what was given."""
    trained = predictor.info.provenance.get("columns")
    usual = trained if isinstance(trained, dict) else kind.recipe.model_construct().columns
    return {**usual, **given}


def _one(
    predictor: Predictor,
    model: Path,
    data: Path,
    columns: Mapping[str, str],
    options: _Options,
    out: Path,
    out_of_fold: Path | None,
    *,
    as_json: bool,
) -> None:
    from erya.cli.progress import counting
    from erya.evaluate.out_of_fold import read_out_of_fold
    from erya.evaluate.report import training_rows, write_report, write_scores
    from erya.evaluate.run import evaluate

    folds = read_out_of_fold(out_of_fold) if out_of_fold is not None else None
    with counting("evaluating", unit="texts") as progress:
        done = evaluate(
            predictor,
            data,
            model=model,
            columns=columns,
            predictions=out / "predictions.jsonl",
            progress=progress,
            **options.to_dict(),
        )
    write_report(out / "report.html", done, training=training_rows(model), out_of_fold=folds)
    write_scores(out, done.to_dict())
    _show(done, out, as_json=as_json)


def _two(
    predictors: Sequence[Predictor],
    models: Sequence[Path],
    data: Path,
    columns: Mapping[str, str],
    options: _Options,
    out: Path,
    *,
    as_json: bool,
) -> None:
    from erya.cli.progress import counting
    from erya.evaluate.compare import compare
    from erya.evaluate.comparison_report import write_comparison
    from erya.evaluate.report import write_scores

    with counting("comparing", unit="texts") as progress:
        done = compare(
            predictors[0],
            predictors[1],
            data,
            models=(models[0], models[1]),
            columns=columns,
            progress=progress,
            **options.to_dict(),
        )
    write_comparison(out / "report.html", done)
    write_scores(out, done.to_dict())
    _show_comparison(done, out, as_json=as_json)


def _show(done: Evaluation, out: Path, *, as_json: bool) -> None:
    from erya.evaluate.sections import averages, class_rows_plain

    for line in [*done.encoding.lines(), *done.warnings]:
        messages.print(line, markup=False)
    if as_json:
        print_json(done.to_dict() | {"report": str(out / "report.html")})
        return
    names = ("precision", "recall", "f1", "support", "predicted")
    rows = [{"class": row["label"], **{name: row[name] for name in names}} for row in class_rows_plain(done)]
    if rows:
        rows += [
            {"class": name, **figures, "support": "", "predicted": ""} for name, figures in averages(done)
        ]
        print_table(f"{done.data.name}: {done.ledger.adapter.words.classes.lower()}", rows, as_json=False)
    size = f"{done.num_examples:,} {done.ledger.adapter.words.item}"
    others = [{"measure": name, "value": f"{value:.4f}", "95 %": ""} for name, value in done.other_numbers]
    print_table(f"{done.data.name}: {size}", _measures(done.estimates) + others, as_json=False)
    messages.print(f"report: {out / 'report.html'}", markup=False)


def _measures(estimates: Sequence[Estimate]) -> list[dict[str, Any]]:
    return [{"measure": one.title, "value": f"{one.value:.4f}", "95 %": _range(one)} for one in estimates]


def _range(one: Estimate) -> str:
    return "" if one.low is None or one.high is None else f"{one.low:.4f} to {one.high:.4f}"


def _show_comparison(done: Comparison, out: Path, *, as_json: bool) -> None:
    if as_json:
        print_json(done.to_dict() | {"report": str(out / "report.html")})
        return
    rows = [
        {
            "measure": one.title,
            "first": f"{one.first:.4f}",
            "second": f"{one.second:.4f}",
            "difference": f"{one.difference:+.4f}",
            "95 %": f"{one.low:+.4f} to {one.high:+.4f}",
            "p": f"{one.p_value:.4f}",
        }
        for one in done.differences
    ]
    rows += [
        {
            "measure": name,
            "first": f"{first:.4f}",
            "second": f"{second:.4f}",
            "difference": f"{second - first:+.4f}",
            "95 %": "",
            "p": "",
        }
        for name, first, second in done.untested
    ]
    print_table(f"{done.names[0]} and {done.names[1]} on {done.data.name}", rows, as_json=False)
    messages.print(done.verdict, markup=False)
    messages.print(f"report: {out / 'report.html'}", markup=False)
