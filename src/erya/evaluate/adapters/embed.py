"""Sentence vectors as outcomes: the cosine of a pair beside its score."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np

from erya.errors import InputError
from erya.evaluate.adapters.adapter import Words
from erya.evaluate.measures import Measure, Values
from erya.evaluate.outcome import Outcome
from erya.metrics.correlation import pearson, spearman
from erya.tasks.embed.examples import Example
from erya.tasks.embed.task import Prediction

_SCORED, _TRUTH, _COSINE = range(3)


class EmbedAdapter:
    """Cosines of pairs; those without a score are scored by the task, which looks for them among all."""

    classes: tuple[str, ...] = ()
    class_counts = None
    cells: tuple[str, ...] = ()
    scatter = _SCORED, _TRUTH, _COSINE
    judges_each = False
    words = Words(item="pairs", text="pair")
    measures: tuple[Measure, ...] = (
        Measure("spearman", "Spearman", of_rows=lambda rows: _of_scored(spearman, rows)),
        Measure("pearson", "Pearson", of_rows=lambda rows: _of_scored(pearson, rows)),
    )

    def outcome(self, example: Example, prediction: Prediction) -> Outcome:
        """Note the cosine and the score of one pair."""
        truth, cosine = example.score, prediction.score
        is_scored = truth is not None and cosine is not None
        return Outcome(
            line=example.line,
            text=example.text,
            pair=example.pair,
            truth="" if truth is None else f"{truth:g}",
            predicted="" if cosine is None else f"{cosine:.3f}",
            is_right=True,  # only ranks say what is wrong, and those want all pairs
            severity=0.0,
            counts=np.array([1.0, truth or 0.0, cosine or 0.0]) if is_scored else np.zeros(3),
        )


def require_pairs_somewhere(examples: Iterable[Example], *, path: Path, columns: Mapping[str, str]) -> None:
    """Make sure that something of a file can be scored: a pair, whether it has a score or not.

    Args:
        examples: of the file; reading ends at the first pair.
        path: the file, for the message.
        columns: the names of the columns, for the message.
    Raises:
        InputError: no text has a second one.
    """
    number = 0
    for example in examples:
        if example.pair is not None:
            return
        number += 1
    raise InputError(
        f"there are neither scores nor pairs to score by: none of the {number:,} texts has a second one "
        f"(column {columns.get('pair', 'pair')!r})",
        where=str(path),
        hint="name the columns: --pair COLUMN, of scores too --column score=COLUMN; or take a file of pairs",
    )


def _of_scored(measure: Callable[[Values, Values], float], rows: Values) -> float:
    """A correlation over the pairs that have a score; NaN where hardly any has."""
    scored = rows[rows[:, _SCORED] > 0]
    return measure(scored[:, _TRUTH], scored[:, _COSINE]) if len(scored) > 1 else float("nan")
