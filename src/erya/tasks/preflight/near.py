"""Dev and test texts that are nearly the same as a training text: a word changed, a sentence added."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from erya.corpus.deduplicate.folding import fold
from erya.corpus.deduplicate.options import DeduplicateOptions
from erya.corpus.deduplicate.signatures import band_names, signature_batch
from erya.tasks.preflight.findings import Finding, counted, finding
from erya.tasks.preflight.sameness import keys_of, parts_of
from erya.tasks.preflight.texts import TRAINING
from erya.tasks.preflight.views import View

# The share of common character pairs from which two short texts say nearly the same.
THRESHOLD = 0.6
_OPTIONS = DeduplicateOptions(near="mark", threshold=THRESHOLD, near_characters=16)


@dataclass(frozen=True, slots=True)
class NearLeak:
    """An example that nearly stands in the training file.

    Attributes:
        train_index: the place of the training example most like it.
        index: its own.
        similarity: the share of character pairs they have in common, estimated, in [0, 1].
    """

    train_index: int
    index: int
    similarity: float


def near_leaks(train: Sequence[View], held_out: Sequence[View]) -> list[NearLeak]:
    """Held-out examples of 16 characters or more that are nearly, but not quite, those of the training file.

    Args:
        train: what is learnt from.
        held_out: what is scored.
    Raises:
        MissingExtraError: rensa is not installed.
    """
    known = set(keys_of(train, marks=False).tolist())
    keys = keys_of(held_out, marks=False).tolist()
    new = np.array([place for place, key in enumerate(keys) if key not in known], dtype=np.int64)
    train_ST, has_train = _signatures(train)
    held_HT, has_held = _signatures([held_out[place] for place in new.tolist()])
    best: dict[int, tuple[float, int]] = {}
    for band in range(train_ST.shape[1]):
        rows = np.flatnonzero(has_train)
        order = rows[np.argsort(train_ST[rows, band], kind="stable")]
        found = np.searchsorted(train_ST[order, band], held_HT[:, band])
        found = np.minimum(found, max(len(order) - 1, 0))
        for place in np.flatnonzero(has_held).tolist():
            if len(order) and train_ST[order[found[place]], band] == held_HT[place, band]:
                other = int(order[found[place]])
                alike = _similarity(train_ST[other], held_HT[place])
                if alike >= THRESHOLD:
                    best[place] = max(best.get(place, (0.0, 0)), (alike, other))
    return [NearLeak(other, int(new[place]), alike) for place, (alike, other) in sorted(best.items())]


def check_near(files: Mapping[str, Sequence[View]]) -> Iterator[Finding]:
    """The near leaks of each file but the training file."""
    train = files.get(TRAINING, [])
    for name, views in files.items():
        if name == TRAINING or not train or not views:
            continue
        found = near_leaks(train, views)
        if found:
            share = f"{len(found) / len(views):.1%}"
            what = f"{counted(len(found), name + ' text')} ({share}) nearly the same as a training text"
            places = [
                views[leak.index].place(
                    name, f"{leak.similarity:.0%} of training line {train[leak.train_index].line}"
                )
                for leak in found
            ]
            yield finding(
                "near leak", "warning", what, places, hint="the score says too much about new texts"
            )


def _similarity(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> float:
    """The share of equal minima, sixteen bits each."""
    return float((one.view(np.uint16) == other.view(np.uint16)).mean())


def _signatures(views: Sequence[View]) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """The bands of each example, shape (S, bands), and which are long enough to have them, shape (S,)."""
    names = band_names(_OPTIONS)
    bands, has = [np.zeros((0, len(names)), np.uint64)], [np.zeros(0, bool)]
    for part in parts_of(views):
        folded = fold([" ".join(view.texts) for view in part])
        batch = signature_batch(np.arange(len(part)), folded, _OPTIONS)
        columns = [batch.column(name) for name in names]
        has.append(np.asarray(columns[0].is_valid()))
        bands.append(np.stack([column.fill_null(0).to_numpy() for column in columns], axis=1))
    return np.concatenate(bands), np.concatenate(has)
