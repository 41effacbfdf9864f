"""Long inputs as windows that overlap: no token is left out, and every span stays in the original text.

A single text is cut itself, of a pair the second: the first (a question) stands in every window. Each window
has the special tokens of the whole. S texts, F windows of all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from erya.errors import ConfigError, InputError
from erya.tasks.texts import EncodingReport, LengthLimit, count_unknown
from erya.tokenizer.any_tokenizer import AnyTokenizer
from erya.tokenizer.encoding import Encoding


@dataclass(frozen=True, slots=True)
class Window:
    """A part of an encoding that is an input of its own.

    Attributes:
        encoding: its tokens with the special ones; spans as in the whole.
        owned: the tokens of the cut text that stand nearer to the middle here than in any other window, a
            half-open range of this window's tokens. Every token of the cut text is owned by one window.
    """

    encoding: Encoding
    owned: tuple[int, int]


@dataclass(frozen=True, slots=True)
class WindowedTexts:
    """Texts as F sequences, one or several a text.

    Attributes:
        encodings: of each sequence; the windows of a text stand together, in order.
        owners: the text each is of, int64, shape (F,), ascending.
        owned: see `Window`, int64, shape (F, 2); of a text that is not cut all its tokens but special ones.
        report: what encoding did to the texts.
    """

    encodings: list[Encoding]
    owners: NDArray[np.int64]
    owned: NDArray[np.int64]
    report: EncodingReport


def default_stride(max_length: int) -> int:
    """Tokens that two windows share where nobody says: a quarter of the length."""
    return max_length // 4


def cut_windows(
    encoding: Encoding, *, max_length: int, stride: int, where: str | None = None
) -> list[Window]:
    """Cut an encoding into windows.

    Args:
        encoding: whole, of one text or of a pair.
        max_length: most tokens of a window, special ones and the first text of a pair included.
        stride: tokens that a window shares with the next, at least 0, less than the room.
        where: the text's place, for the message.
    Returns:
        As few windows as do, all full but the last; one where nothing has to be cut.
    Raises:
        ConfigError: `stride` leaves no room whatever the texts are.
        InputError: the first text leaves too little.
    """
    _require_stride(encoding, max_length, stride)
    before, after = _cut_text(encoding)
    size = after - before
    room = max_length - (len(encoding) - size)
    if size <= room:
        return [Window(encoding, (before, after))]
    if room <= stride:
        raise InputError(_too_tight(encoding, before, max_length, stride), where=where, hint=_TIGHT_HINT)
    starts = np.arange(1 + -(-(size - room) // (room - stride))) * (room - stride)
    # Of two neighbours each owns its half of what they share: that is nearest to the middle, however many
    # windows a token stands in.
    cuts = [0, *(starts[1:] + (stride + 1) // 2).tolist(), size]
    return [
        Window(
            _part(encoding, before, after, start, min(start + room, size)),
            (before + first - start, before + last - start),
        )
        for start, first, last in zip(starts.tolist(), cuts[:-1], cuts[1:], strict=True)
    ]


def encode_windows(
    texts: Sequence[str],
    pairs: Sequence[str] | None,
    tokenizer: AnyTokenizer,
    *,
    limit: LengthLimit,
    stride: int,
    places: Sequence[str],
) -> WindowedTexts:
    """Encode texts, or pairs of texts, in windows where they are longer than the limit.

    The cut text loses nothing. The first text of a pair may be so long that it leaves no room: where `limit`
    allows to truncate, its end is cut off so far that a window holds twice the overlap, and counted.

    Args:
        texts: S texts.
        pairs: S second texts, or None.
        tokenizer: turns them into ids.
        limit: how long a window may be.
        stride: tokens that a window shares with the next.
        places: where each stands (file and line, or its number), for the error message.
    Raises:
        ConfigError: `stride` leaves no room whatever the texts are.
        InputError: a first text leaves too little room, and `limit` forbids to cut it.
    """
    result = WindowedTexts([], np.zeros(0, np.int64), np.zeros((0, 2), np.int64), EncodingReport())
    report, windows, owners = result.report, [], []
    for number, whole in enumerate(tokenizer.encode_batch(texts, pairs)):
        encoding = _shortened(whole, limit, stride)
        _count(report, encoding, limit, places[number])
        count_unknown(report, encoding, texts[number], pairs[number] if pairs else "", tokenizer.unk_id)
        own = cut_windows(encoding, max_length=limit.max_length, stride=stride, where=places[number])
        report.windows += len(own)
        report.windowed_texts += len(own) > 1
        windows += own
        owners += [number] * len(own)
    return WindowedTexts(
        [window.encoding for window in windows],
        np.array(owners, dtype=np.int64),
        np.array([window.owned for window in windows], dtype=np.int64).reshape(-1, 2),
        report,
    )


_TIGHT_HINT = "a shorter first text, a greater max_length or a smaller stride; --truncate cuts the first text"


def _require_stride(encoding: Encoding, max_length: int, stride: int) -> None:
    """The overlap must leave room even if the first text were empty."""
    room = max_length - int((encoding.text_ids < 0).sum())
    if not 0 <= stride < room:
        raise ConfigError(
            f"windows of {max_length} tokens have room for {max(room, 0)} of the text and cannot overlap by "
            f"{stride}: they would never move on",
            hint=f"a stride of about a quarter, {default_stride(max_length)}, or a greater max_length",
        )


def _too_tight(encoding: Encoding, before: int, max_length: int, stride: int) -> str:
    first = int((encoding.text_ids[:before] >= 0).sum())
    return (
        f"the first text has {first} tokens: of {max_length} too few remain for windows of the second that "
        f"overlap by {stride}"
    )


def _cut_text(encoding: Encoding) -> tuple[int, int]:
    """Where the text that is cut begins and ends among the tokens."""
    last = encoding.text_ids.max(initial=-1)
    places = np.flatnonzero(encoding.text_ids == last) if last >= 0 else np.zeros(0, np.int64)
    if not len(places):
        return len(encoding), len(encoding)
    return int(places[0]), int(places[-1]) + 1


def _part(encoding: Encoding, before: int, after: int, start: int, end: int) -> Encoding:
    """The frame around [before, after) with the tokens [start, end) of what stood in it."""
    kept = np.concatenate(
        [np.arange(before), np.arange(before + start, before + end), np.arange(after, len(encoding))]
    )
    return _chosen(encoding, kept, truncated=0)


def _chosen(encoding: Encoding, kept: NDArray[np.int64], *, truncated: int) -> Encoding:
    return Encoding(
        encoding.ids[kept],
        encoding.type_ids[kept],
        encoding.spans[kept],
        encoding.text_ids[kept],
        encoding.word_ids[kept],
        truncated,
    )


def _shortened(encoding: Encoding, limit: LengthLimit, stride: int) -> Encoding:
    """`encoding`, of whose first text the end is cut off where it leaves no room and may be."""
    first = np.flatnonzero(encoding.text_ids == 0)
    second = int((encoding.text_ids == 1).sum())
    room = limit.max_length - (len(encoding) - second)
    if not limit.truncate or not second or second <= room or room > stride:
        return encoding
    lost = min(2 * stride - room if stride else 1 - room, len(first) - 1)
    gone = first[len(first) - lost :]
    kept = np.setdiff1d(np.arange(len(encoding)), gone, assume_unique=True)
    return _chosen(encoding, kept, truncated=len(gone))


def _count(report: EncodingReport, encoding: Encoding, limit: LengthLimit, place: str) -> None:
    whole = len(encoding) + encoding.truncated
    report.texts += 1
    report.tokens += len(encoding)
    report.longest = max(report.longest, whole)
    if encoding.truncated:
        report.truncated_texts += 1
        report.lost_tokens += encoding.truncated
        report.note_cut(f"{place} ({whole} tokens)")
