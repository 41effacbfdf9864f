"""Which labels are probably wrong: confident learning from predicted probabilities. numpy only.

S examples, C classes. The probabilities must come from a model that has not seen the labels it judges: of
held-out data, or out of fold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

_FEWEST = 5


@dataclass(frozen=True, slots=True)
class LabelErrors:
    """What the probabilities say of the labels.

    Attributes:
        order: every example, the most suspicious label first, int64, shape (S,).
        num_suspects: how many at the head of `order` are suspected: the model is, of another class than the
            given one, as sure as it usually is of that class.
        suggested: the class that fits better, int64, shape (S,), by example; the given one where none does.
        margin: probability of the given label less that of the best other, in [-1, 1], shape (S,).
        joint: estimated number of examples by given (row) and true (column) class, shape (C, C).
    """

    order: NDArray[np.int64]
    num_suspects: int
    suggested: NDArray[np.int64]
    margin: NDArray[np.float64]
    joint: NDArray[np.float64]

    @property
    def suspects(self) -> NDArray[np.int64]:
        """The suspected examples, the most suspicious first."""
        return self.order[: self.num_suspects]

    @property
    def error_share(self) -> float:
        """Estimated share of wrong labels, in [0, 1]."""
        total = self.joint.sum()
        return float(1.0 - np.trace(self.joint) / total) if total else 0.0


def find_label_errors(probabilities_SC: ArrayLike, given_S: ArrayLike) -> LabelErrors:
    """Rank examples by how doubtful their label is.

    A class's threshold is the mean probability it gets among the examples that carry its label, so a class
    the model is never sure of is not flagged wholesale. Suspects rank before all others, both by margin.

    Args:
        probabilities_SC: each row a distribution, shape (S, C).
        given_S: the class each example carries, in [0, C), shape (S,).
    Raises:
        ValueError: the shapes do not fit, or a class lies outside [0, C).
    Source: Northcutt, Jiang and Chuang 2021, Confident Learning, sections 3.1 (thresholds, joint) and 3.2
        (off-diagonal of the confident joint, ranked by normalised margin).
    """
    probabilities, given = _checked(probabilities_SC, given_S)
    size, classes = probabilities.shape
    own = probabilities[np.arange(size), given]
    confident = _confident_classes(probabilities, given)
    suspect = (confident >= 0) & (confident != given)
    margin = own - _best_other(probabilities, given)
    order = np.lexsort((np.arange(size), margin, ~suspect))
    return LabelErrors(
        order=order,
        num_suspects=int(suspect.sum()),
        suggested=np.where(suspect, confident, given),
        margin=margin,
        joint=_joint(given, confident, classes),
    )


@dataclass(frozen=True, slots=True)
class MultiLabelErrors:
    """What the probabilities say of labels of which several, or none, may be true.

    Attributes:
        order: every example, the one with the most suspicious label first, int64, shape (S,).
        num_suspects: how many at the head of `order` have a suspected label.
        suggested: the labels that fit better, bool, shape (S, C).
        margin: of the most suspicious label of each example, in [-1, 1], shape (S,).
        error_share: estimated share of wrong decisions, label by label, in [0, 1].
    """

    order: NDArray[np.int64]
    num_suspects: int
    suggested: NDArray[np.bool_]
    margin: NDArray[np.float64]
    error_share: float

    @property
    def suspects(self) -> NDArray[np.int64]:
        """The suspected examples, the most suspicious first."""
        return self.order[: self.num_suspects]


def find_multi_label_errors(probabilities_SC: ArrayLike, given_SC: ArrayLike) -> MultiLabelErrors:
    """`find_label_errors` of each label by itself: is it true of an example or not?

    A label that fewer than five examples have is left alone.

    Args:
        probabilities_SC: of each label, in [0, 1], shape (S, C).
        given_SC: which labels each example carries, bool, shape (S, C).
    Raises:
        ValueError: the shapes do not fit.
    """
    probabilities = np.asarray(probabilities_SC, dtype=np.float64)
    given = np.asarray(given_SC, dtype=bool)
    if probabilities.shape != given.shape or given.ndim != 2:
        raise ValueError(f"probabilities {probabilities.shape} and labels {given.shape} do not fit")
    suggested, margins, shares = given.copy(), np.ones(given.shape), []
    for c in np.flatnonzero(given.sum(axis=0) >= _FEWEST).tolist():
        share = probabilities[:, c]
        found = find_label_errors(np.stack([1 - share, share], axis=1), given[:, c].astype(np.int64))
        suggested[found.suspects, c] ^= True
        margins[:, c] = found.margin
        shares.append(found.error_share)
    margin = margins.min(axis=1, initial=1.0)
    suspect = (suggested != given).any(axis=1)
    order = np.lexsort((np.arange(len(given)), margin, ~suspect))
    return MultiLabelErrors(order, int(suspect.sum()), suggested, margin, float(np.mean(shares or [0.0])))


def _checked(
    probabilities_SC: ArrayLike, given_S: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    probabilities = np.asarray(probabilities_SC, dtype=np.float64)
    given = np.asarray(given_S, dtype=np.int64)
    if probabilities.ndim != 2 or given.shape != probabilities.shape[:1]:
        raise ValueError(f"probabilities {probabilities.shape} and labels {given.shape} do not fit")
    if given.size and not 0 <= given.min() <= given.max() < probabilities.shape[1]:
        raise ValueError(f"a label lies outside 0 to {probabilities.shape[1] - 1}")
    return probabilities, given


def _confident_classes(probabilities: NDArray[np.float64], given: NDArray[np.int64]) -> NDArray[np.int64]:
    """The likeliest class of those that reach their threshold, shape (S,); -1 where none does."""
    classes = probabilities.shape[1]
    counts = np.bincount(given, minlength=classes)
    thresholds = np.full(classes, np.inf)  # a class that nobody was given is nobody's true class
    for c in np.flatnonzero(counts):
        thresholds[c] = probabilities[given == c, c].mean()
    # A hair below: of equal probabilities the mean may be rounded above all of them.
    reaches = probabilities >= thresholds - 1e-12
    best = np.where(reaches, probabilities, -1.0).argmax(axis=1)
    return np.where(reaches.any(axis=1), best, -1)


def _best_other(probabilities: NDArray[np.float64], given: NDArray[np.int64]) -> NDArray[np.float64]:
    if probabilities.shape[1] < 2:
        return np.zeros(len(given))
    others = probabilities.copy()
    others[np.arange(len(given)), given] = -np.inf
    return np.asarray(others.max(axis=1))


def _joint(given: NDArray[np.int64], confident: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """The confident joint, each row scaled to how often its label was given."""
    sure = confident >= 0
    cells = np.bincount(given[sure] * classes + confident[sure], minlength=classes * classes)
    joint = cells.reshape(classes, classes).astype(np.float64)
    counts = np.bincount(given, minlength=classes).astype(np.float64)
    rows = joint.sum(axis=1)
    empty = rows == 0
    joint[empty, empty] = counts[empty]  # nothing is known: taken as right
    rows = np.where(empty, counts, rows)
    return np.asarray(joint * np.divide(counts, rows, out=np.zeros(classes), where=rows > 0)[:, None])
