"""What training, evaluation and prediction ask of a task: one object for all three, so they cannot differ.

The network's side (head and loss) is in the task's `head.py`: this side needs no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from erya.data.features import Features
from erya.data.records import Record
from erya.tasks.texts import EncodingReport, LengthLimit
from erya.tokenizer.any_tokenizer import AnyTokenizer

Example = TypeVar("Example")
Prediction = TypeVar("Prediction")
Scores = TypeVar("Scores", covariant=True)


class Task(Protocol[Example, Prediction, Scores]):
    """A task: from a row of a file to features, from the network's outputs to answers and scores."""

    def read(self, record: Record) -> Example:
        """Check one row.

        Raises:
            InputError: a field cannot be used; says which, in which line.
        """
        ...

    def encode(
        self, examples: Sequence[Example], tokenizer: AnyTokenizer, *, limit: LengthLimit
    ) -> tuple[list[Features], EncodingReport]:
        """Turn examples into model inputs, with targets where the truth is known.

        Raises:
            InputError: texts are longer than the limit and may not be truncated.
        """
        ...

    def decode(self, outputs: NDArray[np.floating], examples: Sequence[Example]) -> list[Prediction]:
        """Turn the network's outputs, one row an example, into answers a user understands."""
        ...

    def score(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> Scores:
        """Compare answers with the truth the examples carry."""
        ...
