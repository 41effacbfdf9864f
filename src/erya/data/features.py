"""One model input: the tokens of a sequence and what is to be predicted from it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Features:
    """One sequence of N tokens, ready to be packed.

    Attributes:
        ids: token ids, int32, shape (N,).
        type_ids: segment ids, uint8, shape (N,).
        targets: what to predict, by name, of the same shape in every sequence; empty at inference.
        row_targets: what to predict in any number of rows, such as one a token, by names of their own; their
            first axis may differ from sequence to sequence.
    """

    ids: NDArray[np.int32]
    type_ids: NDArray[np.uint8]
    targets: dict[str, NDArray[np.generic]] = field(default_factory=dict)
    row_targets: dict[str, NDArray[np.generic]] = field(default_factory=dict)
