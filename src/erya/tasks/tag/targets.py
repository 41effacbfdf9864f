"""The truth as a network is taught it: tags of tokens, or pairs of them; and what cannot be said so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from erya.data.features import Features
from erya.tasks.tag.reading import Entity
from erya.tasks.tag.schemes import TagSet
from erya.tasks.tag.tokens import TextTokens
from erya.tokenizer.encoding import Encoding

# The targets: the tag of each token, or -100; or first token, last token and type of each entity in rows, and
# how many there are.
TAGS, ENTITIES, NUM_ENTITIES = "tags", "entities", "num_entities"
LEFT_OUT = -100
UNSAYABLE = "are of a length for which the labels of this model have no tags"
OVERLAPPING = "overlap another, which only head=span_pairs can say"
TOUCHING = "touch another of their type, which scheme=io cannot say"
IN_NO_WINDOW = "are whole in no window (a greater stride or max_length holds them)"

# Is told what is the matter with an entity.
Misfit = Callable[[str, Entity], None]


def tag_windows(
    entities: Sequence[Entity],
    tokens: TextTokens,
    encodings: Sequence[Encoding],
    tags: TagSet,
    misfit: Misfit,
) -> list[Features]:
    """The windows of a text with a tag for each token that takes part.

    Args:
        entities: the truth.
        tokens: of the text.
        encodings: its windows.
        tags: the scheme.
        misfit: told of each entity that the tags cannot say.
    """
    kept: list[tuple[int, int, str]] = []
    owners: list[Entity] = []
    for entity in sorted(entities, key=lambda entity: (entity.start, entity.end)):
        placed = tokens.place(entity.start, entity.end)
        if isinstance(placed, str):
            misfit(placed, entity)
            continue
        first, last = (int(tokens.ranks[token]) for token in placed)
        if kept and first <= kept[-1][1]:
            misfit(OVERLAPPING, entity)
            continue
        if not tags.can_say(entity.type, last - first + 1):
            misfit(UNSAYABLE, entity)
            continue
        kept.append((first, last, entity.type))
        owners.append(entity)
    if not tags.has_begin and not tags.has_end:
        _report_touching(kept, owners, misfit)
    num_parts = int(tokens.takes_part.sum())
    values = np.full(len(tokens), LEFT_OUT, dtype=np.int64)
    values[tokens.takes_part] = tags.tag(kept, num_parts)
    return [
        Features(
            encoding.ids,
            encoding.type_ids,
            row_targets={TAGS: tokens.window(values, number, len(encoding), fill=LEFT_OUT)},
        )
        for number, encoding in enumerate(encodings)
    ]


def pair_windows(
    entities: Sequence[Entity],
    tokens: TextTokens,
    encodings: Sequence[Encoding],
    types: Sequence[str],
    misfit: Misfit,
) -> list[Features]:
    """The windows of a text with the pairs of tokens of the entities that are whole in each.

    Args:
        entities: the truth.
        tokens: of the text.
        encodings: its windows.
        types: of entities.
        misfit: told of each entity that no pair can say.
    """
    pairs: dict[tuple[int, int, int], Entity] = {}
    for entity in entities:
        placed = tokens.place(entity.start, entity.end)
        if isinstance(placed, str):
            misfit(placed, entity)
        else:
            pairs[(*placed, types.index(entity.type))] = entity
    table = np.array(list(pairs), dtype=np.int64).reshape(-1, 3)
    windows = tokens.best_window(table[:, 0], table[:, 1])
    for window, entity in zip(windows.tolist(), pairs.values(), strict=True):
        if window < 0:
            misfit(IN_NO_WINDOW, entity)
    return [
        _with_pairs(encoding, _pairs_in(table, tokens, number)) for number, encoding in enumerate(encodings)
    ]


def _pairs_in(table: NDArray[np.int64], tokens: TextTokens, number: int) -> NDArray[np.int64]:
    """The pairs that are whole in a window, by its own tokens."""
    start, end, first = (int(of[number]) for of in (tokens.starts, tokens.ends, tokens.firsts))
    whole = table[(table[:, 0] >= start) & (table[:, 1] < end)]
    return np.asarray(whole + np.array([first - start, first - start, 0]))


def _with_pairs(encoding: Encoding, pairs: NDArray[np.int64]) -> Features:
    count = np.array(len(pairs), dtype=np.int64)
    return Features(
        encoding.ids, encoding.type_ids, targets={NUM_ENTITIES: count}, row_targets={ENTITIES: pairs}
    )


def _report_touching(kept: Sequence[tuple[int, int, str]], owners: Sequence[Entity], misfit: Misfit) -> None:
    touched = set()
    for place, (one, other) in enumerate(pairwise(kept)):
        if one[1] + 1 == other[0] and one[2] == other[2]:
            touched |= {place, place + 1}
    for place in sorted(touched):
        misfit(TOUCHING, owners[place])
