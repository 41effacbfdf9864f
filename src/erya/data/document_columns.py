"""Documents by columns: all of a row group at once, several times quicker than one document after another.

D documents, T texts of a batch, P places: bits are stored in whole bytes a document, so one of C characters
takes C places and up to seven empty ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from erya.data.documents import RowGroup
from erya.errors import InputError

_ALWAYS = ("text", "pair_start", "word_starts", "sentence_ends", "cluster")
_READ_CHARACTERS = 1 << 19
# Where a long text may be cut and nothing changes: behind a comma or stop, or after a word of letters. An
# added word may stand across two Hanzi: they are parted only if nothing better comes for so many characters.
_CUT = re.compile(r"(?<=[，。！？；：])(?=[\u4e00-\u9fa5])|(?<=[0-9A-Za-z])(?= [0-9A-Za-z])")
_CUT_HANZI = re.compile(_CUT.pattern + r"|(?<=[\u4e00-\u9fa5])(?=[\u4e00-\u9fa5])")
_REACH = 4096

# White space of two and three bytes of UTF-8, as numbers of three bytes; the rest has one.
_SPACES = [chr(code).encode() for code in range(0x3001) if chr(code).isspace()]
_WIDE_SPACES = [int.from_bytes(space.ljust(3, b"\0"), "big") for space in _SPACES if len(space) > 1]
_SPACE, _LEAD = 1, 2
_BYTE_CLASSES = bytes(
    _SPACE if bytes([byte]) in _SPACES else _LEAD if any(byte == wide >> 16 for wide in _WIDE_SPACES) else 0
    for byte in range(256)
)


@dataclass(frozen=True, slots=True)
class MarkedTexts:
    """T texts with their boundaries by character. A document too long for one batch is several texts.

    Attributes:
        texts: the texts.
        rows: which of the D documents each is of, int64, shape (T,).
        firsts: the place of the first character of each, ascending, int64, shape (T,).
        lengths: characters of each, int64, shape (T,).
        ends_document: whether its document ends with it, bool, shape (T,).
        pair_starts: the character at which a second text begins, or -1, int64, shape (T,).
        word_starts: True where a word begins, bool, shape (P,).
        sentence_ends: True where a sentence ends, bool, shape (P,).
    """

    texts: list[str]
    rows: NDArray[np.int64]
    firsts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    ends_document: NDArray[np.bool_]
    pair_starts: NDArray[np.int64]
    word_starts: NDArray[np.bool_]
    sentence_ends: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class DocumentColumns:
    """D consecutive documents of one row group.

    Attributes:
        texts: their texts.
        lengths: characters of each, int64, shape (D,).
        pair_starts: the character at which the second text of a pair begins, or -1, int64, shape (D,).
        clusters: uint64, shape (D,).
        names: of the group each is of (its source or script, where that was asked for), else empty.
        word_starts, sentence_ends: their bits, packed.
    """

    texts: pa.StringArray
    lengths: NDArray[np.int64]
    pair_starts: NDArray[np.int64]
    clusters: NDArray[np.uint64]
    names: list[str]
    word_starts: pa.BinaryArray
    sentence_ends: pa.BinaryArray

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def text_bytes(self) -> int:
        """The size of the texts as UTF-8."""
        return int(pc.sum(pc.binary_length(self.texts)).as_py() or 0)

    def named(self, names: list[str]) -> DocumentColumns:
        """The same documents with other names, D of them."""
        return replace(self, names=names)

    def filter(self, keep: NDArray[np.bool_]) -> DocumentColumns:
        """The documents for which `keep` is True, shape (D,)."""
        if keep.all():
            return self
        mask = pa.array(keep)
        return replace(
            self,
            texts=self.texts.filter(mask),
            lengths=self.lengths[keep],
            pair_starts=self.pair_starts[keep],
            clusters=self.clusters[keep],
            names=[name for name, kept in zip(self.names, keep.tolist(), strict=False) if kept],
            word_starts=self.word_starts.filter(mask),
            sentence_ends=self.sentence_ends.filter(mask),
        )

    def num_spaces(self) -> int:
        """How many characters are white space, as `str.isspace` has it."""
        offsets, data = _buffers(self.texts)
        # Two bytes more, so that there is something to look at behind the last lead.
        encoded = data[offsets[0] : offsets[-1]].tobytes() + bytes(2)
        text = np.frombuffer(encoded, dtype=np.uint8)
        classes = np.frombuffer(encoded.translate(_BYTE_CLASSES), dtype=np.uint8)
        leads = np.flatnonzero(classes == _LEAD)
        codes = text[leads].astype(np.int32) << 16 | text[leads + 1].astype(np.int32) << 8 | text[leads + 2]
        codes[codes < 0xE00000] &= 0xFFFF00
        return int(np.count_nonzero(classes == _SPACE)) + int(np.isin(codes, _WIDE_SPACES).sum())

    def batches(self, characters: int) -> Iterator[MarkedTexts]:
        """The documents in order, about so many characters at once."""
        stops = np.cumsum(self.lengths)
        start = 0
        while start < len(self):
            done = stops[start] - self.lengths[start]
            stop = max(start + 1, int(np.searchsorted(stops, done + characters, side="right")))
            batch = self._batch(start, stop)
            yield from _cut(batch, characters) if self.lengths[start] > characters else (batch,)
            start = stop

    def _batch(self, start: int, stop: int) -> MarkedTexts:
        word_starts, firsts = _unpack(self.word_starts[start:stop])
        sentence_ends, _ = _unpack(self.sentence_ends[start:stop])
        return MarkedTexts(
            texts=self.texts[start:stop].to_pylist(),
            rows=np.arange(start, stop),
            firsts=firsts,
            lengths=self.lengths[start:stop],
            ends_document=np.ones(stop - start, dtype=np.bool_),
            pair_starts=self.pair_starts[start:stop],
            word_starts=word_starts,
            sentence_ends=sentence_ends,
        )


def read_columns(
    group: RowGroup, *, names: Literal["source", "script"] | None = None
) -> Iterator[DocumentColumns]:
    """The documents of a row group in order, some at a time: memory stays small.

    Args:
        group: which.
        names: a column to read as `DocumentColumns.names`.
    Raises:
        InputError: the file is missing or damaged.
    """
    for batch in read_batches(group, [*_ALWAYS, *([names] if names else [])]):
        text, words, sentences = (batch[name] for name in ("text", "word_starts", "sentence_ends"))
        lengths = _numbers(pc.utf8_length(text))
        pairs = _numbers(pc.fill_null(batch["pair_start"], -1))
        sizes = [_numbers(pc.binary_length(bits)) for bits in (words, sentences)]
        if any((size != (lengths + 7) // 8).any() for size in sizes) or (pairs >= lengths).any():
            raise InputError("damaged: texts and boundaries do not fit", where=str(group.path))
        yield DocumentColumns(
            texts=text,
            lengths=lengths,
            pair_starts=pairs,
            clusters=batch["cluster"].to_numpy(zero_copy_only=False),
            names=batch[names].to_pylist() if names else [],
            word_starts=words,
            sentence_ends=sentences,
        )


def read_batches(group: RowGroup, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Some columns of a row group in order, a few hundred thousand characters at a time.

    Raises:
        InputError: the file is missing or damaged.
    """
    rows = max(group.documents * _READ_CHARACTERS // max(group.characters, 1), 1)
    try:
        with pq.ParquetFile(group.path) as file:
            # One thread: there is a worker a core.
            batches = file.iter_batches(
                batch_size=rows, row_groups=[group.index], columns=columns, use_threads=False
            )
            for batch in batches:
                yield batch.select(columns)
    except (OSError, pa.ArrowInvalid, KeyError, IndexError) as error:
        raise InputError(f"cannot read the documents: {error}", where=str(group.path)) from None


def _numbers(array: pa.Array) -> NDArray[np.int64]:
    return np.asarray(array.to_numpy(zero_copy_only=False), dtype=np.int64)


def _buffers(array: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Where each value of a string or binary array starts, shape (D + 1,), and the bytes of all."""
    _, starts, data = array.buffers()
    if not len(array) or data is None:
        return np.zeros(len(array) + 1, dtype=np.int64), np.zeros(0, dtype=np.uint8)
    offsets = np.frombuffer(starts, dtype=np.int32)[array.offset : array.offset + len(array) + 1]
    return offsets.astype(np.int64), np.frombuffer(data, dtype=np.uint8)


def _unpack(array: pa.BinaryArray) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """The bits of every value at their places, shape (P,), and the first place of each value."""
    offsets, data = _buffers(array)
    bits = np.unpackbits(data[offsets[0] : offsets[-1]], bitorder="little").view(np.bool_)
    return bits, (offsets[:-1] - offsets[0]) * 8


def _cut(long: MarkedTexts, characters: int) -> Iterator[MarkedTexts]:
    """One long text as several, so that memory stays bounded; one without a place to cut stays whole."""
    text, pair = long.texts[0], int(long.pair_starts[0])
    start = 0
    while start < len(text):
        stop = _cut_place(text, start + characters)
        yield MarkedTexts(
            texts=[text[start:stop]],
            rows=long.rows,
            firsts=np.zeros(1, dtype=np.int64),
            lengths=np.array([stop - start], dtype=np.int64),
            ends_document=np.array([stop == len(text)]),
            pair_starts=np.array([pair - start if start <= pair < stop else -1], dtype=np.int64),
            word_starts=long.word_starts[start:stop],
            sentence_ends=long.sentence_ends[start:stop],
        )
        start = stop


def _cut_place(text: str, start: int) -> int:
    """Where to cut a text, at `start` or behind; its end if nowhere."""
    match = _CUT.search(text, start, start + _REACH) or _CUT_HANZI.search(text, start + _REACH)
    return match.start() if match else len(text)
