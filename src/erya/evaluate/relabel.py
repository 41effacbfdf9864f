"""Suspected label errors as a file that a person can go through and correct."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from erya.evaluate.label_errors import LabelErrors, MultiLabelErrors
from erya.files import atomic_write

COLUMNS = ("line", "label", "suggested", "margin", "text", "pair")
MOST_SUSPECTS = 10_000
_BREAKS = re.compile(r"[\t\r\n]+")


@dataclass(frozen=True, slots=True)
class Suspect:
    """A label that is probably wrong.

    Attributes:
        line: where it stands.
        label: as it stands there.
        suggested: the class that fits better.
        margin: probability of the label less that of the best other class, in [-1, 1].
        text: the text.
        pair: the second text, or "".
    """

    line: int
    label: str
    suggested: str
    margin: float
    text: str
    pair: str


def suspects_of(
    errors: LabelErrors | MultiLabelErrors,
    *,
    lines_D: NDArray[np.int64],
    given_D: NDArray[Any],
    labels: Sequence[str],
    texts: Mapping[int, tuple[str, str]],
    separator: str = "|",
) -> Iterator[Suspect]:
    """The suspects, the most suspicious first, ten thousand at most.

    Args:
        errors: what the probabilities say, of D examples.
        lines_D: where they stand, shape (D,).
        given_D: the class each carries, shape (D,); or which labels it carries, bool, shape (D, C).
        labels: the names of the classes.
        texts: text and second text of the suspects, by their place among the D.
        separator: what stands between several labels of a text.
    """
    for place in errors.suspects[:MOST_SUSPECTS].tolist():
        text, pair = texts.get(place, ("", ""))
        yield Suspect(
            int(lines_D[place]),
            _named(given_D[place], labels, separator),
            _named(errors.suggested[place], labels, separator),
            float(errors.margin[place]),
            text,
            pair,
        )


def _named(truth: Any, labels: Sequence[str], separator: str) -> str:
    """The label with a number; or the labels, joined as a data file has them."""
    if np.ndim(truth) == 0:
        return labels[int(truth)]
    return separator.join(labels[c] for c in np.flatnonzero(truth).tolist())


def write_suspects(path: Path, suspects: Sequence[Suspect]) -> None:
    """Write a TSV with the columns `line label suggested margin text pair`, readable as a data file.

    Tabs and line ends inside texts become spaces.

    Raises:
        StorageError: the disk refuses.
    """
    with atomic_write(path) as stream:
        stream.write(_row(COLUMNS))
        for one in suspects:
            margin = f"{one.margin:.4f}"
            stream.write(_row((one.line, one.label, one.suggested, margin, one.text, one.pair)))


def _row(values: Sequence[Any]) -> bytes:
    return ("\t".join(_BREAKS.sub(" ", str(value)) for value in values) + "\n").encode(
        "utf-8", "surrogatepass"
    )
