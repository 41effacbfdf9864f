"""`report.html`: one file that holds everything, pictures included, and fetches nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from erya.errors import StorageError
from erya.evaluate import sections
from erya.evaluate.evaluation import Evaluation
from erya.evaluate.label_errors import LabelErrors, MultiLabelErrors
from erya.evaluate.out_of_fold import OutOfFold
from erya.evaluate.plots import curves_picture
from erya.evaluate.relabel import Suspect, write_suspects
from erya.files import atomic_write, require_file, sha256_of, to_json
from erya.pages.render import render, write
from erya.train.metrics_file import read_metrics

SCORES_FILE = "metrics.json"
SUSPECTS_FILE, TRAIN_SUSPECTS_FILE = "suspects.tsv", "train_suspects.tsv"
_MOST_SHOWN_SUSPECTS = 40


@dataclass(frozen=True, slots=True)
class Suspected:
    """The suspected label errors of one file.

    Attributes:
        title: of the section.
        file: where all of them are written, beside the page.
        errors: what the probabilities say.
        rows: the suspects.
    """

    title: str
    file: str
    errors: LabelErrors | MultiLabelErrors
    rows: Sequence[Suspect]


def write_report(
    path: Path,
    evaluation: Evaluation,
    *,
    training: Sequence[Mapping[str, Any]],
    out_of_fold: OutOfFold | None = None,
) -> None:
    """Write the report of one evaluation, and beside it the suspected label errors where there may be any.

    Args:
        path: the HTML file.
        evaluation: what was measured.
        training: the lines of the training run's `metrics.jsonl`; empty when the model lies in no run.
        out_of_fold: what cross-validation says of the training file, whose labels are then judged too.
    Raises:
        MissingExtraError: jinja2 or matplotlib is not installed.
        InputError: the data file, of which the suspects' texts are read once more, is no longer readable.
        StorageError: the disk refuses.
    """
    suspected = suspected_labels(evaluation, out_of_fold)
    write(path, render_report(evaluation, training=training, suspected=suspected))
    for group in suspected:
        write_suspects(path.with_name(group.file), group.rows)


def suspected_labels(evaluation: Evaluation, out_of_fold: OutOfFold | None) -> list[Suspected]:
    """The doubtful labels of the data file, and of the training file where it was cross-validated."""
    found = []
    if evaluation.label_errors is not None:
        rows = sections.suspects(evaluation)
        found.append(Suspected("Suspected label errors", SUSPECTS_FILE, evaluation.label_errors, rows))
    if out_of_fold is not None:
        errors = out_of_fold.errors()
        title = "Suspected label errors of the training file"
        found.append(Suspected(title, TRAIN_SUSPECTS_FILE, errors, out_of_fold.suspects(errors)))
    return found


def render_report(
    evaluation: Evaluation, *, training: Sequence[Mapping[str, Any]], suspected: Sequence[Suspected] = ()
) -> str:
    """The report as HTML; every text from outside is escaped."""
    worst = sections.mistake_rows(evaluation.mistakes or sections.farthest(evaluation))
    return render(
        "erya.evaluate",
        "report.html.jinja",
        evaluation=evaluation,
        others=evaluation.other_numbers,
        encoding=evaluation.encoding,
        cost=evaluation.cost,
        classes=sections.class_rows(evaluation),
        averages=sections.averages(evaluation),
        confusion=sections.confusion(evaluation),
        confused=sections.confused(evaluation),
        probabilities=sections.probabilities(evaluation),
        scatter=sections.scatter(evaluation),
        num_kept=len(evaluation.ledger.distributions()[2]),
        parts=sections.part_tables(evaluation),
        curves=curves_picture(training) if training else None,
        worst=worst,
        marks=any(row["pieces"] for row in worst),
        suspected=suspected,
        most_shown=_MOST_SHOWN_SUSPECTS,
        facts=sections.facts(evaluation),
        recipe=sections.recipe_text(evaluation.model),
    )


def require_same(directory: Path, *, models: Sequence[Path], data: Path) -> None:
    """Refuse a directory that holds the evaluation of something else, which would be overwritten.

    Args:
        directory: where the report is to go.
        models: the model directories that are to be evaluated.
        data: the file it is to be evaluated on.
    Raises:
        StorageError: another model or other data was evaluated there, or what is there is none of ours.
        InputError: there is no such data file.
    """
    path = directory / SCORES_FILE
    if not path.is_file():
        return
    try:
        former = json.loads(path.read_bytes())
        names = former["models"] if "models" in former else [former["model"]]
        former_models = [Path(name) for name in names]
        former_sha256 = former["data_sha256"]
    except (ValueError, KeyError, TypeError):
        what = f"the directory has a {SCORES_FILE} that no evaluation wrote"
    else:
        if [path.resolve() for path in former_models] != [path.resolve() for path in models]:
            shown = " and ".join(map(str, former_models))
            what = f"the directory holds the evaluation of another model, {shown}"
        elif former_sha256 != sha256_of(require_file(data)):
            what = f"the directory holds an evaluation on other data, {former.get('data')}"
        else:
            return
    raise StorageError(
        what + ", which would be overwritten", where=str(directory), hint="choose another --out"
    )


def write_scores(directory: Path, values: Mapping[str, Any]) -> None:
    """Write `metrics.json`.

    Raises:
        StorageError: the disk refuses.
    """
    with atomic_write(directory / SCORES_FILE) as stream:
        stream.write(to_json(values, indent=2).encode())


def training_rows(model: Path) -> list[dict[str, Any]]:
    """The `metrics.jsonl` of the run a model directory lies in (`RUN/model`), or nothing.

    Raises:
        InputError: a line of it is damaged.
    """
    return list(read_metrics(model.resolve().parent))
