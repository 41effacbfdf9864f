"""What each section of the report shows, as plain values and pictures for the template."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from erya.evaluate.adapters.adapter import class_table
from erya.evaluate.adapters.multi_label import MultiLabelAdapter
from erya.evaluate.curves import recall_curves
from erya.evaluate.estimates import Estimate, Part, class_intervals
from erya.evaluate.evaluation import Evaluation
from erya.evaluate.highlight import highlighted
from erya.evaluate.outcome import Outcome
from erya.evaluate.plots import confusion_picture
from erya.evaluate.relabel import MOST_SUSPECTS, Suspect, suspects_of
from erya.evaluate.score_plots import calibration_picture, precision_recall_picture, scatter_picture
from erya.files import to_json
from erya.metrics.correlation import ranks
from erya.train.directory import RECIPE_FILE

_CONFUSED = 12
_FEWEST_RANKED, _FARTHEST = 10, 30
_MOST_DRAWN_CLASSES = 70
_LIBRARIES = ("torch", "numpy", "tokenizers", "safetensors")
PART_TITLES = {
    "length": "By length, in characters",
    "script": "By script",
    "source": "By source",
    "training": "By whether the training file has the text",
}


def class_rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    """A row a class, with the interval of its F1."""
    rows = class_rows_plain(evaluation)
    ends = class_intervals(evaluation.ledger) or [(None, None)] * len(rows)
    return [{**row, "low": low, "high": high} for row, (low, high) in zip(rows, ends, strict=True)]


def averages(evaluation: Evaluation) -> list[tuple[str, dict[str, float]]]:
    """Averages of precision, recall and F1 over the classes, by how they weigh them."""
    rows = [row for row in class_rows_plain(evaluation) if row["support"] + row["predicted"]]
    support = [float(row["support"]) for row in rows]
    return [
        ("macro average", _average(rows, [1.0] * len(rows))),
        ("weighted average", _average(rows, support)),
    ]


def _average(rows: Sequence[Mapping[str, Any]], weights: Sequence[float]) -> dict[str, float]:
    total = sum(weights) or 1.0
    return {
        name: sum(row[name] * weight for row, weight in zip(rows, weights, strict=True)) / total
        for name in ("precision", "recall", "f1")
    }


def class_rows_plain(evaluation: Evaluation) -> list[Mapping[str, Any]]:
    """A row a class, without intervals."""
    return class_table(evaluation.ledger.adapter, evaluation.ledger.counts.sums())


def scatter(evaluation: Evaluation) -> str | None:
    """Scores against the truth as a picture, of tasks that give numbers."""
    found = _paired_numbers(evaluation)
    return None if found is None else scatter_picture(found[1], found[2])


def _paired_numbers(
    evaluation: Evaluation,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]] | None:
    """Which examples have a truth and a score, from 0, and these; None where there are none, or too many."""
    columns = evaluation.ledger.adapter.scatter
    rows = evaluation.ledger.counts.dense()
    if columns is None or rows is None or not len(rows):
        return None
    kept = rows[:, columns[0]] > 0
    if not kept.any():
        return None
    return np.flatnonzero(kept), rows[kept, columns[1]], rows[kept, columns[2]]


def confusion(evaluation: Evaluation) -> str | None:
    """The confusion matrix as a picture; None where there is none, or it is too large to read."""
    ledger = evaluation.ledger
    names = ledger.adapter.cells
    if not names or not ledger.confusion or len(names) > _MOST_DRAWN_CLASSES:
        return None
    counts = np.zeros((len(names), len(names)), dtype=np.int64)
    for (truth, answer), count in ledger.confusion.items():
        counts[truth, answer] = count
    return confusion_picture(counts, names)


def confused(evaluation: Evaluation) -> list[dict[str, Any]]:
    """The commonest mistakes with examples."""
    names = evaluation.ledger.adapter.cells
    truths: dict[int, int] = {}
    for (truth, _), count in evaluation.ledger.confusion.items():
        truths[truth] = truths.get(truth, 0) + count
    return [
        {
            "truth": names[cell[0]],
            "predicted": names[cell[1]],
            "count": count,
            "share": count / truths[cell[0]],
            "examples": examples,
        }
        for cell, count, examples in evaluation.ledger.confused(_CONFUSED)
    ]


def probabilities(evaluation: Evaluation) -> dict[str, Any]:
    """The pictures of probabilities and the calibration error."""
    curves = recall_curves(evaluation.ledger)
    calibration = evaluation.calibration
    picture = None
    if calibration is not None:
        picture = calibration_picture(calibration.table)
    return {
        "recall": precision_recall_picture(curves) if curves else None,
        "calibration": picture,
        "error": None if calibration is None else calibration.error,
    }


def part_tables(evaluation: Evaluation) -> list[dict[str, Any]]:
    """A table for each way to divide the file, with intervals as bars on one scale."""
    return [
        {
            "title": PART_TITLES[name],
            "measures": [one.title for one in parts[0].estimates[:2]],
            "rows": [_part_row(part, _scale(parts)) for part in parts],
        }
        for name, parts in evaluation.parts.items()
    ]


def _part_row(part: Part, scale: tuple[float, float]) -> dict[str, Any]:
    first = part.estimates[0]
    return {
        "name": part.name,
        "size": part.size,
        "estimates": part.estimates[:2],
        "bar": bar(first, scale),
    }


def _scale(parts: Sequence[Part]) -> tuple[float, float]:
    firsts = [part.estimates[0] for part in parts]
    low = min(one.value if one.low is None else one.low for one in firsts)
    high = max(one.value if one.high is None else one.high for one in firsts)
    return low, high


def bar(estimate: Estimate, scale: tuple[float, float]) -> dict[str, float]:
    """Places of an interval on a bar of 0 to 100."""
    low, high = scale
    width = (high - low) or 1.0

    def place(value: float | None) -> float:
        return 100 * ((estimate.value if value is None else value) - low) / width

    return {"low": place(estimate.low), "high": place(estimate.high), "value": place(estimate.value)}


def mistake_rows(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Mistakes with their texts, in pieces where there are stretches to mark."""
    return [
        {
            "outcome": one,
            "pieces": highlighted(one.text, one.gold, one.found) if one.gold or one.found else None,
        }
        for one in outcomes
    ]


def farthest(evaluation: Evaluation) -> list[Outcome]:
    """Where truth and score are farthest apart by rank, of tasks whose scores only ranks can judge."""
    found = None if evaluation.ledger.adapter.judges_each else _paired_numbers(evaluation)
    if found is None or len(found[0]) < _FEWEST_RANKED:
        return []
    places, truths, scores = found
    gaps = np.abs(ranks(truths) - ranks(scores)) / len(places)
    order = np.argsort(-gaps, kind="stable")[:_FARTHEST].tolist()
    texts = dict(_texts(evaluation, set(places[order].tolist())))
    lines = evaluation.ledger.lines[places]
    return [
        Outcome(
            line=int(lines[number]),
            text=texts[int(places[number])][0],
            pair=texts[int(places[number])][1],
            truth=f"{truths[number]:g}",
            predicted=f"{scores[number]:.3g}",
            is_right=False,
            severity=float(gaps[number]),
            counts=np.zeros(0),
        )
        for number in order
    ]


def suspects(evaluation: Evaluation) -> list[Suspect]:
    """The suspected label errors with their texts, which the file is read once more for."""
    errors = evaluation.label_errors
    if errors is None:
        return []
    adapter = evaluation.ledger.adapter
    _, truths, places = evaluation.ledger.distributions()
    numbers = {int(places[place]): place for place in errors.suspects[:MOST_SUSPECTS].tolist()}
    found = _texts(evaluation, set(numbers)) if numbers else ()
    return list(
        suspects_of(
            errors,
            lines_D=evaluation.ledger.lines[places],
            given_D=truths.argmax(axis=1) if adapter.cells else truths,
            labels=adapter.classes,
            texts={numbers[place]: texts for place, texts in found},
            separator=adapter.separator if isinstance(adapter, MultiLabelAdapter) else "",
        )
    )


def _texts(evaluation: Evaluation, wanted: set[int]) -> Iterator[tuple[int, tuple[str, str]]]:
    """The texts of some examples, by their number in the file, from 0."""
    examples = (example for chunk in evaluation.file.chunks() for example in chunk.examples)
    for place, example in enumerate(examples):
        if place in wanted:
            yield place, (example.text, example.pair or "")


def facts(evaluation: Evaluation) -> dict[str, str]:
    """What was evaluated, when, on what, by which versions."""
    found = {
        "Model": str(evaluation.model),
        "Task": evaluation.kind,
        "Data": str(evaluation.data),
        "Data sha256": evaluation.data_sha256,
        "Columns": ", ".join(f"{field}: {column}" for field, column in evaluation.file.columns.items()),
        "When": evaluation.when,
        "Longest input": f"{evaluation.max_length} tokens",
        "Erya": evaluation.version,
        "Python": platform.python_version(),
        **{name: _version(name) for name in _LIBRARIES},
    }
    if evaluation.train is not None:
        found["Training file compared"] = str(evaluation.train)
    origin: Mapping[str, Any] = evaluation.provenance
    return found | {f"Training: {key}": _plain(value) for key, value in origin.items()}


def recipe_text(model: Path) -> str | None:
    """The recipe of the run a model directory lies in (`RUN/model`), or None."""
    path = model.resolve().parent / RECIPE_FILE
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else to_json(value)
