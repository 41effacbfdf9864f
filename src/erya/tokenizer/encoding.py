"""What tokenising gives: ids with exact places in the original text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Encoding:
    """One sequence of tokens. N is the number of tokens.

    Its arrays are views into those of its batch: copy the arrays of one that outlives its batch by long.

    Attributes:
        ids: vocabulary indices, int32, shape (N,).
        type_ids: segment of each token, uint8, shape (N,): 0 up to and with the first [SEP], 1 after.
        spans: half-open code-point (start, end) in the ORIGINAL text, int32, shape (N, 2); (0, 0) for
            special tokens.
        text_ids: which text of a pair a token is cut from, int8, shape (N,): 0, 1, or -1 for special tokens.
        word_ids: index of the pre-token (one Hanzi, one run of letters, one sign) within its text, int32,
            shape (N,); -1 for special tokens.
        truncated: how many tokens of the full encoding `max_length` cut away; 0 when nothing was lost.
    """

    ids: NDArray[np.int32]
    type_ids: NDArray[np.uint8]
    spans: NDArray[np.int32]
    text_ids: NDArray[np.int8]
    word_ids: NDArray[np.int32]
    truncated: int = 0

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True, eq=False)
class EncodingBatch(Sequence[Encoding]):
    """The encodings of T texts (or pairs) end to end; an `Encoding` is made where one is asked for.

    N is the number of tokens of all of them.

    Attributes:
        ids, type_ids, spans, text_ids, word_ids: as in `Encoding`, shapes (N,), (N,), (N, 2), (N,), (N,).
        bounds: encoding t has the tokens bounds[t] to bounds[t + 1], int64, shape (T + 1,).
        truncated: how many tokens each has lost, int64, shape (T,).
    """

    ids: NDArray[np.int32]
    type_ids: NDArray[np.uint8]
    spans: NDArray[np.int32]
    text_ids: NDArray[np.int8]
    word_ids: NDArray[np.int32]
    bounds: NDArray[np.int64]
    truncated: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.truncated)

    @overload
    def __getitem__(self, index: int) -> Encoding: ...

    @overload
    def __getitem__(self, index: slice) -> list[Encoding]: ...

    def __getitem__(self, index: int | slice) -> Encoding | list[Encoding]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        return self._cut(int(self.bounds[place]), int(self.bounds[place + 1]), int(self.truncated[place]))

    def __iter__(self) -> Iterator[Encoding]:
        bounds = self.bounds.tolist()
        return map(self._cut, bounds[:-1], bounds[1:], self.truncated.tolist())

    def _cut(self, start: int, end: int, truncated: int) -> Encoding:
        part = slice(start, end)
        return Encoding(
            self.ids[part],
            self.type_ids[part],
            self.spans[part],
            self.text_ids[part],
            self.word_ids[part],
            truncated,
        )

    @classmethod
    def join(cls, batches: Sequence[EncodingBatch]) -> EncodingBatch:
        """One batch of several, at least one."""
        if len(batches) == 1:
            return batches[0]
        offsets = np.cumsum([0, *(len(batch.ids) for batch in batches)])
        bounds = [batch.bounds[:-1] + offset for batch, offset in zip(batches, offsets[:-1], strict=True)]
        return cls(
            ids=np.concatenate([batch.ids for batch in batches]),
            type_ids=np.concatenate([batch.type_ids for batch in batches]),
            spans=np.concatenate([batch.spans for batch in batches]),
            text_ids=np.concatenate([batch.text_ids for batch in batches]),
            word_ids=np.concatenate([batch.word_ids for batch in batches]),
            bounds=np.concatenate([*bounds, offsets[-1:]]),
            truncated=np.concatenate([batch.truncated for batch in batches]),
        )


@dataclass(frozen=True, slots=True)
class Pieces:
    """The tokens of one text alone: no [CLS], no [SEP], nothing cut. N is the number of tokens.

    Attributes:
        ids: vocabulary indices, int32, shape (N,).
        spans: half-open code-point (start, end) in the original text, int32, shape (N, 2). Tokens of a
            character that normalises to several (a Hangul syllable in `reference` mode) share its span.
        word_ids: index of the pre-token within the text, int32, shape (N,).
    """

    ids: NDArray[np.int32]
    spans: NDArray[np.int32]
    word_ids: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class FlatPieces:
    """The tokens of T texts end to end. N is the number of tokens of all of them.

    Attributes:
        ids, spans, word_ids: as in `Pieces`, counted within each text, shapes (N,), (N, 2), (N,).
        bounds: text t has the tokens bounds[t] to bounds[t + 1], int64, shape (T + 1,).
    """

    ids: NDArray[np.int32]
    spans: NDArray[np.int32]
    word_ids: NDArray[np.int32]
    bounds: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __getitem__(self, text: int) -> Pieces:
        part = slice(self.bounds[text], self.bounds[text + 1])
        return Pieces(self.ids[part], self.spans[part], self.word_ids[part])

    def __iter__(self) -> Iterator[Pieces]:
        return map(self.__getitem__, range(len(self)))

    @classmethod
    def join(cls, texts: Sequence[Pieces]) -> FlatPieces:
        """The tokens of several texts, at least one, end to end."""
        return cls(
            np.concatenate([text.ids for text in texts]),
            np.concatenate([text.spans for text in texts]),
            np.concatenate([text.word_ids for text in texts]),
            np.cumsum([0, *map(len, texts)], dtype=np.int64),
        )
