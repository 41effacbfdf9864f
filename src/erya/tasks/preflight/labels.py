"""Checks of the labels: how many of each, which are rare, which the training file lacks."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from erya.checkpoints.info import KindName
from erya.tasks.preflight.findings import Finding, Place, counted, finding
from erya.tasks.preflight.texts import TRAINING
from erya.tasks.preflight.views import View

_FEW = 5
# From so large a ratio on, most of what is learnt is the largest class.
_LOPSIDED = 10
# More different values are no classes but numbers.
_MOST_CLASSES = 1000
_NAMED = 5
# Of two Hanzi one may be wrong.
_ALIKE = 0.5


def count_labels(files: Mapping[str, Sequence[View]]) -> dict[str, dict[str, int]]:
    """How many of each label each file has, the commonest first; nothing where they are no classes."""
    counts = {
        name: Counter(label for view in views for label in view.labels) for name, views in files.items()
    }
    total: Counter[str] = sum(counts.values(), Counter())
    if len(total) > _MOST_CLASSES or (total and all(map(_is_fraction, total))):
        return {}
    return {label: {name: counts[name][label] for name in files} for label, _ in total.most_common()}


def check_labels(
    kind: KindName, files: Mapping[str, Sequence[View]], counts: Mapping[str, Mapping[str, int]]
) -> Iterator[Finding]:
    """What is the matter with the labels.

    Args:
        kind: of the task.
        files: the examples of each file.
        counts: of `count_labels`.
    """
    if TRAINING not in files or not counts:
        return
    known = {label: count for label, of in counts.items() if (count := of[TRAINING])}
    for name in files:
        if name != TRAINING:
            # Whether a question has an answer is no label: the task itself says what it makes of that.
            if kind != "answer":
                yield from _unknown(name, files[name], known)
            yield from _absent(name, files[name], counts, known)
    yield from _rare(files[TRAINING], known)
    if kind != "answer":
        yield from _lopsided(known)


def _unknown(name: str, views: Sequence[View], known: Mapping[str, int]) -> Iterator[Finding]:
    places: list[Place] = []
    names = Counter[str]()
    for view in views:
        unknown = [label for label in dict.fromkeys(view.labels) if label not in known]
        names.update(unknown)
        places += [view.place(name, _nearest(label, known)) for label in unknown]
    if places:
        listed = ", ".join(f"{label!r}" for label, _ in names.most_common(_NAMED))
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        what = f"{counted(len(places), name + ' label')} unknown to the training file: {listed}{more}"
        yield finding("unknown label", "error", what, places, hint="a slip of the pen, or a class to learn?")


def _nearest(label: str, known: Mapping[str, int]) -> str:
    near = difflib.get_close_matches(label, known, n=1, cutoff=_ALIKE)
    folded = [name for name in known if name.strip().casefold() == label.strip().casefold()]
    meant = (folded or near)[:1]
    return f"{label!r}" + (f", did you mean {meant[0]!r}?" if meant else "")


def _absent(
    name: str, views: Sequence[View], counts: Mapping[str, Mapping[str, int]], known: Mapping[str, int]
) -> Iterator[Finding]:
    absent = [label for label in known if not counts[label][name]]
    if absent and views:
        what = f"no {name} text has {_listed(absent)}: how well {_it(absent)} learnt is not scored"
        yield finding("label not scored", "warning", what, count=len(absent))


def _rare(train: Sequence[View], known: Mapping[str, int]) -> Iterator[Finding]:
    single = [label for label, count in known.items() if count == 1]
    if single:
        what = f"{counted(len(single), 'class')} with one training example: {_listed(single)}"
        hint = "find more, or join them with another class"
        places = [v.place(TRAINING, label) for v in train for label in v.labels if label in single]
        yield finding("class with one example", "warning", what, places, hint=hint)
    rare = [label for label, count in known.items() if 1 < count < _FEW]
    if rare:
        what = f"{counted(len(rare), 'class')} with fewer than {_FEW} training examples: {_listed(rare)}"
        yield finding("rare class", "warning", what, count=len(rare))


def _lopsided(known: Mapping[str, int]) -> Iterator[Finding]:
    most, least = max(known.values(), default=0), min(known.values(), default=0)
    if len(known) > 1 and most > _LOPSIDED * least:
        what = f"the largest class has {most:,} training examples, the smallest {least:,}"
        hint = "a macro score shows the small ones; a classifier may weigh them (class_weights=balanced)"
        yield finding("lopsided", "note", what, hint=hint, count=len(known))


def _listed(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - _NAMED} more" if len(labels) > _NAMED else ""
    return ", ".join(labels[:_NAMED]) + more


def _it(labels: Sequence[str]) -> str:
    return "they were" if len(labels) > 1 else "it was"


def _is_fraction(label: str) -> bool:
    """Whether a label is a number that is written as a measurement."""
    try:
        float(label)
    except ValueError:
        return False
    return "." in label
