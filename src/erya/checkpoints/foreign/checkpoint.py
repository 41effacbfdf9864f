"""What every reader of a foreign format gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class ForeignCheckpoint:
    """Weights of another program, as Hugging Face would name them.

    Attributes:
        kind: the format in words.
        files: what was opened.
        config: the contents of `config.json`; `model_type` comes from the tensors.
        tensors: arrays by Hugging Face's names, read when asked for.
        shapes: their shapes, without reading them.
        notes: what a user should know.
        vocab: the vocabulary beside the weights, if there is one.
        leftover: names in the file that no table knows: heads of tasks, or a sign of another architecture.
    """

    kind: str
    files: tuple[Path, ...]
    config: dict[str, Any]
    tensors: Mapping[str, np.ndarray]
    shapes: Mapping[str, tuple[int, ...]]
    notes: tuple[str, ...] = ()
    vocab: Path | None = None
    leftover: tuple[str, ...] = ()
