"""What happened to one example, whatever the task: the record that every section of the report reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch of a text that is shown with a name: an entity, an answer.

    Attributes:
        start: where it begins, a code point of the text.
        end: where it ends, exclusive.
        name: its type, or "".
    """

    start: int
    end: int
    name: str


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing the model said, such as an entity.

    Attributes:
        probability: what the model gave it, in [0, 1].
        is_right: whether it is so.
    """

    probability: float
    is_right: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """One example and what the model made of it.

    Attributes:
        line: where it stands in the data file.
        text: the text that marks lie in.
        pair: the second text (of reading, the question), or None.
        truth: the truth in words.
        predicted: the model's answer in words.
        is_right: whether the answer is right from end to end.
        severity: how bad a wrong answer is, the surer the worse; the worst are shown.
        counts: what the measures are computed from, float64, shape (K,).
        claims: what the model said, each with its probability; empty where it gives none.
        num_true: how many claims would be right of a perfect model.
        name: what the file calls it, where a line does not say enough; or "".
        cells: (truth, answer) pairs for the confusion matrix.
        cell_texts: for each cell what it is about, where that is only a part of the text; or empty.
        distribution: probability of each class, shape (C,), or None where there is none.
        true_classes: the classes that are true, indices of `distribution`.
        gold: the stretches of the truth.
        found: the stretches of the answer.
    """

    line: int
    text: str
    pair: str | None
    truth: str
    predicted: str
    is_right: bool
    severity: float
    counts: NDArray[np.float64] = field(compare=False)
    claims: tuple[Claim, ...] = ()
    num_true: int = 1
    name: str = ""
    cells: tuple[tuple[int, int], ...] = ()
    cell_texts: tuple[str, ...] = ()
    distribution: NDArray[Any] | None = field(default=None, compare=False)
    true_classes: tuple[int, ...] = ()
    gold: tuple[Mark, ...] = ()
    found: tuple[Mark, ...] = ()

    @property
    def probability(self) -> float | None:
        """What the model gave its likeliest claim; None where it made none."""
        return max((claim.probability for claim in self.claims), default=None)
