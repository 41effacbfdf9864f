"""From the tokens of texts to sequences: special tokens around a text or a pair of texts, cut to a length.

T texts (or pairs of texts).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from erya.tokenizer.encoding import EncodingBatch, FlatPieces
from erya.tokenizer.frame import Frame
from erya.tokenizer.stretches import bounds_of, inside


def lay_out(parts: Sequence[FlatPieces], frame: Frame, *, max_length: int | None) -> EncodingBatch:
    """Put special tokens around texts, or around pairs of texts.

    Args:
        parts: the T texts; for pairs also the T second texts.
        frame: the special tokens.
        max_length: longest sequence, special tokens included; None cuts nothing.
    Returns:
        T encodings.
    """
    lengths = [np.diff(part.bounds) for part in parts]
    kept = lengths if max_length is None else longest_first(lengths, max_length - frame.num_special)
    total_kept: NDArray[np.int64] = np.stack(kept).sum(axis=0)
    truncated: NDArray[np.int64] = np.stack(lengths).sum(axis=0) - total_kept
    bounds = bounds_of(total_kept + frame.num_special)

    total = int(bounds[-1])
    ids = np.zeros(total, dtype=np.int32)
    type_ids = np.zeros(total, dtype=np.uint8)
    text_ids = np.full(total, -1, dtype=np.int8)
    word_ids = np.full(total, -1, dtype=np.int32)
    spans = np.zeros((total, 2), dtype=np.int32)
    places = bounds[:-1]
    for number, specials in enumerate(frame.specials):
        for id, segment in specials:
            ids[places], type_ids[places] = id, segment
            places = places + 1
        if number == len(parts):
            break
        part, keep, segment = parts[number], kept[number], frame.segments[number]
        to, source = inside(places, keep, length=total), _source(part, keep)
        ids[to], word_ids[to], text_ids[to] = part.ids[source], part.word_ids[source], number
        # Both ends at once.
        spans.view(np.int64)[to] = np.ascontiguousarray(part.spans).view(np.int64)[source]
        if segment:
            type_ids[to] = segment
        places = places + keep
    return EncodingBatch(ids, type_ids, spans, text_ids, word_ids, bounds, truncated)


def longest_first(lengths: Sequence[NDArray[np.int64]], room: int) -> list[NDArray[np.int64]]:
    """How many tokens of each text may stay so that together they fit, the longer giving first.

    Args:
        lengths: tokens of the texts, and for pairs of the second texts, each of shape (T,).
        room: how many tokens fit, at least 0.
    Returns:
        What stays of each, in the same form; as `tokenizers` decides it, odd rooms included.
    """
    if len(lengths) == 1:
        return [np.minimum(lengths[0], room)]
    first, second = lengths
    short, long = np.minimum(first, second), np.maximum(first, second)
    # The shorter stays whole if it fits into half of the room, otherwise both get half.
    long_kept = np.where(short > room, short, np.maximum(short, room - short))
    halves = short + long_kept > room
    short_kept = np.where(halves, room // 2, short)
    long_kept = np.where(halves, room // 2 + room % 2, np.minimum(long_kept, long))
    fits = short + long <= room
    swap = first > second
    return [
        np.where(fits, first, np.where(swap, long_kept, short_kept)),
        np.where(fits, second, np.where(swap, short_kept, long_kept)),
    ]


def _source(part: FlatPieces, keep: NDArray[np.int64]) -> slice | NDArray[np.bool_]:
    if int(keep.sum()) == len(part.ids):
        return slice(None)
    return inside(part.bounds[:-1], keep, length=len(part.ids))
