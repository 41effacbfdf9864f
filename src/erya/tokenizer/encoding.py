"""What tokenising gives: ids with exact places in the original text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Encoding:
    """One sequence of tokens. N is the number of tokens.

    Encodings of one batch share memory: copy the arrays of one that outlives its batch by long.

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
