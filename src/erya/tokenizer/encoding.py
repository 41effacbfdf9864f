"""What tokenising gives: ids with exact places in the original text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Encoding:
    """One sequence of tokens. N is the number of tokens.

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
