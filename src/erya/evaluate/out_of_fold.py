"""What models that had not seen them say of training examples, as cross-validation leaves it."""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from erya.errors import InputError
from erya.evaluate.label_errors import LabelErrors, find_label_errors
from erya.evaluate.relabel import MOST_SUSPECTS, Suspect, suspects_of
from erya.files import open_binary, require_file

_FIELDS = ("line", "truth", "scores", "text")


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Probabilities of D examples of C classes.

    Attributes:
        path: the file.
        labels: the classes.
        probabilities: shape (D, C).
        given: the class each carries, shape (D,).
        lines: where each stands in the training file, shape (D,).
    """

    path: Path
    labels: tuple[str, ...]
    probabilities: NDArray[np.float32]
    given: NDArray[np.int64]
    lines: NDArray[np.int64]

    def errors(self) -> LabelErrors:
        """Which labels are doubtful."""
        return find_label_errors(self.probabilities, self.given)

    def suspects(self, errors: LabelErrors) -> list[Suspect]:
        """The suspects with their texts, which the file is read once more for."""
        wanted = set(errors.suspects[:MOST_SUSPECTS].tolist())
        texts = {
            place: (str(row["text"]), str(row.get("pair") or ""))
            for place, row in enumerate(_rows(self.path))
            if place in wanted
        }
        return list(
            suspects_of(errors, lines_D=self.lines, given_D=self.given, labels=self.labels, texts=texts)
        )


def read_out_of_fold(path: Path) -> OutOfFold:
    """Read `out_of_fold.jsonl` of a classifier.

    Raises:
        InputError: a line lacks the truth or the probability of each class; says which.
    """
    labels: tuple[str, ...] = ()
    index: dict[str, int] = {}
    probabilities, given, lines = array("f"), array("i"), array("q")
    for number, row in enumerate(_rows(path), 1):
        where = f"{path}, line {number}"
        scores, truth = row["scores"], _label(row["truth"])
        if not labels:
            labels = tuple(scores)
            index = {label: c for c, label in enumerate(labels)}
        if truth not in index or set(scores) != set(labels):
            raise InputError("the truth and the classes of this line are not those of the first", where=where)
        probabilities.extend(float(scores[label]) for label in labels)
        given.append(index[truth])
        lines.append(int(row["line"]))
    if not labels:
        raise InputError("there is no example in it", where=str(path))
    rows = np.array(probabilities, dtype=np.float32).reshape(len(lines), len(labels))
    return OutOfFold(path, labels, rows, np.array(given, dtype=np.int64), np.array(lines, dtype=np.int64))


def _label(truth: Any) -> str:
    """The one label, as text, or "" where there is none or there are several."""
    value = truth.get("label") if isinstance(truth, Mapping) else truth
    return value if isinstance(value, str) else ""


def _rows(path: Path) -> Any:
    with open_binary(require_file(path)) as stream:
        for number, line in enumerate(stream, 1):
            where = f"{path}, line {number}"
            try:
                row = json.loads(line)
            except ValueError:
                raise InputError("not a JSON line", where=where) from None
            if not isinstance(row, dict) or any(field not in row for field in _FIELDS):
                hint = "a file that cross-validation of a classifier wrote has them: erya finetune --folds"
                raise InputError(f"a line with {', '.join(_FIELDS)} is wanted", where=where, hint=hint)
            yield row
