"""`report.html`: one file that holds everything, pictures included, and fetches nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from erya.errors import StorageError
from erya.evaluate.plots import confusion_picture, curves_picture
from erya.evaluate.run import Evaluation
from erya.files import require_file, sha256_of, to_json
from erya.pages.render import render, write
from erya.train.metrics_file import read_metrics

SCORES_FILE = "metrics.json"


def write_report(path: Path, evaluation: Evaluation, *, training: Sequence[Mapping[str, Any]]) -> None:
    """Write the report of one evaluation.

    Args:
        path: the HTML file.
        evaluation: what was measured.
        training: the lines of the training run's `metrics.jsonl`; empty when the model lies in no run.
    Raises:
        MissingExtraError: jinja2 or matplotlib is not installed.
        StorageError: the disk refuses.
    """
    write(path, render_report(evaluation, training=training))


def render_report(evaluation: Evaluation, *, training: Sequence[Mapping[str, Any]]) -> str:
    """The report as HTML; every text from outside is escaped."""
    return render(
        "erya.evaluate",
        "report.html.jinja",
        evaluation=evaluation,
        scores=evaluation.scores,
        encoding=evaluation.encoding,
        facts=_facts(evaluation),
        mistakes=[asdict(mistake) for mistake in evaluation.mistakes],
        confusion=confusion_picture(evaluation.scores.confusion, evaluation.labels),
        curves=curves_picture(training) if training else None,
    )


def require_same(directory: Path, *, model: Path, data: Path) -> None:
    """Refuse a directory that holds the evaluation of something else, which would be overwritten.

    Args:
        directory: where the report is to go.
        model: the model directory that is to be evaluated.
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
        former_model, former_sha256 = Path(former["model"]), former["data_sha256"]
    except (ValueError, KeyError, TypeError):
        what = f"the directory has a {SCORES_FILE} that no evaluation wrote"
    else:
        if former_model.resolve() != model.resolve():
            what = f"the directory holds the evaluation of another model, {former_model}"
        elif former_sha256 != sha256_of(require_file(data)):
            what = f"the directory holds an evaluation on other data, {former.get('data')}"
        else:
            return
    raise StorageError(
        what + ", which would be overwritten", where=str(directory), hint="choose another --out"
    )


def training_rows(model: Path) -> list[dict[str, Any]]:
    """The `metrics.jsonl` of the run a model directory lies in (`RUN/model`), or nothing.

    Raises:
        InputError: a line of it is damaged.
    """
    return list(read_metrics(model.resolve().parent))


def _facts(evaluation: Evaluation) -> dict[str, str]:
    """What was evaluated, when, on what."""
    facts = {
        "Model": str(evaluation.model),
        "Data": str(evaluation.data),
        "Data sha256": evaluation.data_sha256,
        "When": evaluation.when,
        "Texts": f"{evaluation.scores.num_examples:,} in {evaluation.seconds:.1f} s",
        "Longest input": f"{evaluation.max_length} tokens",
        "Erya": evaluation.version,
    }
    origin = evaluation.provenance
    return facts | {f"Training: {key}": _plain(value) for key, value in origin.items()}


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else to_json(value)
