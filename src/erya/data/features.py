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
        targets: what to predict, by name; empty at inference.
    """

    ids: NDArray[np.int32]
    type_ids: NDArray[np.uint8]
    targets: dict[str, NDArray[np.generic]] = field(default_factory=dict)
