"""Dealing examples into parts: equals stay together, each part gets its share of every label. No torch.

E examples, K parts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from erya.checkpoints.info import KindName
from erya.errors import InputError
from erya.runtime import generator
from erya.tasks.folds.recipe import FoldRecipe

_DEAL = 0xF01D  # keeps this stream of random numbers apart from others with the same seed


@dataclass(frozen=True, slots=True)
class Traits:
    """What matters of an example when it is dealt.

    Attributes:
        group: examples of one group get into one part: a text that is held out is nowhere learnt from.
        stratum: every part gets its share of each.
    """

    group: Hashable
    stratum: Hashable


# What is the same text, and what is to be spread evenly, by kind of task.
_TRAITS: Mapping[KindName, Callable[[Any], Traits]] = {
    "classify": lambda example: Traits((example.text, example.pair), repr(example.label or example.sets)),
    "tag": lambda example: Traits(example.text, frozenset(entity.type for entity in example.entities or ())),
    "answer": lambda example: Traits(example.context, bool(example.answers)),
    "match": lambda example: Traits(
        example.text if example.is_candidate else (example.text, example.pair), _stratum_of(example.target)
    ),
    "embed": lambda example: Traits(example.text, None),
}


def _stratum_of(target: str | None) -> Hashable:
    """A label, or a score to the nearest whole number."""
    try:
        return round(float(target or ""))
    except (ValueError, OverflowError):
        return target


def take_fold(
    kind: KindName, examples: Sequence[Any], fold: FoldRecipe, *, where: str
) -> tuple[list[Any], list[Any]]:
    """The examples to learn from and those held out, each in the order of the file.

    Args:
        kind: of the task.
        examples: the whole file.
        fold: which part is held out.
        where: the file, for the error.
    Raises:
        InputError: there are fewer different texts than parts.
    """
    parts = deal([_TRAITS[kind](example) for example in examples], fold.of, seed=fold.seed, where=where)
    held = parts == fold.index
    return (
        [example for example, out in zip(examples, held, strict=True) if not out],
        [example for example, out in zip(examples, held, strict=True) if out],
    )


def deal(traits: Sequence[Traits], num_parts: int, *, seed: int, where: str) -> NDArray[np.int64]:
    """Deal examples into parts.

    Groups are shuffled; each goes to the part that has the fewest examples of its stratum, then of all.

    Args:
        traits: of the E examples.
        num_parts: K, at least 2.
        seed: of the shuffle.
        where: the file, for the error.
    Returns:
        The part of each example, int64 in [0, K), shape (E,).
    Raises:
        InputError: there are fewer groups than parts.
    """
    members: defaultdict[Hashable, list[int]] = defaultdict(list)
    for number, trait in enumerate(traits):
        members[trait.group].append(number)
    if len(members) < num_parts:
        raise InputError(
            f"{len(members)} different texts cannot be dealt into {num_parts} parts",
            where=where,
            hint=f"--folds {len(members)} at most, or more data",
        )
    groups, parts = list(members.values()), np.empty(len(traits), dtype=np.int64)
    held: defaultdict[Hashable, Counter[int]] = defaultdict(Counter)
    total = Counter[int]()
    for place in generator(_DEAL, seed).permutation(len(groups)).tolist():
        group = groups[place]
        counts = held[traits[group[0]].stratum]
        part = min(range(num_parts), key=lambda each: (counts[each], total[each], each))
        counts[part] += len(group)
        total[part] += len(group)
        parts[group] = part
    return parts
