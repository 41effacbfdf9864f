"""Which examples have the same texts: to the character, or as far as letters and Hanzi go.

Folded are script, width and letter case; white space never counts, and punctuation where it is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from erya.checkpoints.info import KindName
from erya.corpus.deduplicate.folding import LETTER, Folded, fold
from erya.corpus.deduplicate.signatures import fingerprints
from erya.tasks.preflight.views import View, views_of

# Stands between the texts of an example and in none of them. A letter: others may be left out.
_BETWEEN = "ꀀ"
# Folding takes some tens of bytes for each.
_CHARACTERS_AT_ONCE = 4_000_000


def keys_of(views: Sequence[View], *, marks: bool) -> NDArray[np.uint64]:
    """A number for each example, the same for those whose texts are the same after folding, uint64.

    Args:
        views: the examples.
        marks: whether punctuation and symbols count; they always do in a text of nothing else.
    """
    keys = [np.zeros(0, np.uint64)]
    for part in parts_of(views):
        folded = fold([_BETWEEN.join(view.texts) for view in part])
        of_part = fingerprints(folded)
        if not marks:
            letters = _letters(folded)
            has_letters = np.diff(letters.bounds) > [len(view.texts) - 1 for view in part]
            of_part = np.where(has_letters, fingerprints(letters), of_part)
        keys.append(of_part)
    return np.concatenate(keys)


def _letters(folded: Folded) -> Folded:
    """The same without punctuation and symbols, each text a line."""
    places = np.flatnonzero(folded.kinds == LETTER)
    bounds = np.searchsorted(places, folded.bounds)
    return Folded(folded.codes[places], folded.kinds[places], bounds, np.arange(len(bounds)))


def groups_of(keys: NDArray[np.uint64]) -> list[list[int]]:
    """The places of equal keys, where there are two or more, in the order of the first of them."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    bounds = np.concatenate([[0], starts, [len(keys)]])
    groups = [
        order[first:last].tolist()
        for first, last in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
        if last - first > 1
    ]
    return sorted(groups)


@dataclass(frozen=True, slots=True)
class Leak:
    """An example that stands in the training file too.

    Attributes:
        train_line: the first line of the training file that has its texts.
        line: its own.
        verbatim: whether the texts are the same to the character.
    """

    train_line: int
    line: int
    verbatim: bool


def leaks(kind: KindName, train: Iterable[Any], held_out: Iterable[Any]) -> list[Leak]:
    """The examples of a dev or test file that stand in the training file, whatever their labels.

    Args:
        kind: whose examples these are.
        train: what is learnt from.
        held_out: what is scored.
    Returns:
        One for each such example, in their order; those too that differ only in white space, punctuation,
        script, width or letter case.
    """
    return leaks_between(views_of(kind, train), views_of(kind, held_out))


def leaks_between(train: Sequence[View], held_out: Sequence[View]) -> list[Leak]:
    """`leaks` of views."""
    first_by_key: dict[int, int] = {}
    for view, key in zip(train, keys_of(train, marks=False).tolist(), strict=True):
        first_by_key.setdefault(key, view.line)
    first_verbatim: dict[tuple[str, ...], int] = {}
    for view in train:
        first_verbatim.setdefault(view.texts, view.line)
    found = []
    for view, key in zip(held_out, keys_of(held_out, marks=False).tolist(), strict=True):
        if view.texts in first_verbatim:
            found.append(Leak(first_verbatim[view.texts], view.line, True))
        elif key in first_by_key:
            found.append(Leak(first_by_key[key], view.line, False))
    return found


def parts_of(views: Sequence[View]) -> Iterator[Sequence[View]]:
    """Runs of examples of some million characters, which are folded together."""
    start, held = 0, 0
    for place, view in enumerate(views):
        held += sum(map(len, view.texts))
        if held >= _CHARACTERS_AT_ONCE:
            yield views[start : place + 1]
            start, held = place + 1, 0
    if start < len(views):
        yield views[start:]
