"""What training, evaluation and prediction ask of a task: one object for all three, so they cannot differ.

The network's side (head and loss) is in the task's `head.py`: this side needs no torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from erya.data.features import Features
from erya.data.records import Record
from erya.tasks.texts import EncodingReport, LengthLimit
from erya.tokenizer.any_tokenizer import AnyTokenizer
from erya.tokenizer.encoding import Encoding


class Example(Protocol):
    """One row of a file, checked."""

    @property
    def where(self) -> str:
        """File and line, for messages."""
        ...

    @property
    def line(self) -> int:
        """The line it begins on, or its number where there is no file."""
        ...


class Prediction(Protocol):
    """An answer a user understands."""

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that `erya predict` prints."""
        ...


class Scores(Protocol):
    """How good answers are."""

    def numbers(self) -> Mapping[str, float]:
        """The numbers a run is watched by, by name: `accuracy`, `f1`, ... They become `eval_accuracy`, ..."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Everything, as plain JSON values."""
        ...


ExampleT = TypeVar("ExampleT", bound=Example)
PredictionT = TypeVar("PredictionT", bound=Prediction)
ExampleC = TypeVar("ExampleC", bound=Example, contravariant=True)
PredictionC = TypeVar("PredictionC", bound=Prediction, contravariant=True)


class Tally(Protocol[ExampleC, PredictionC]):
    """Adds up what scores are computed from, a batch at a time; no text and no logits are kept."""

    def add(self, predictions: Sequence[PredictionC], examples: Sequence[ExampleC]) -> None:
        """Compare answers with the truth their examples carry."""
        ...

    def scores(self) -> Scores:
        """The scores of all that was added."""
        ...


@dataclass(frozen=True, slots=True)
class Encoded:
    """Examples as inputs of a network: F sequences of E examples.

    Attributes:
        features: the F sequences; those of an example (the windows of a long text) stand together, in order.
        owners: the example each sequence is of, int64, shape (F,), ascending; every example has one at least.
        encodings: of each sequence, with spans in the example's own texts; F of them.
        report: what encoding did to the texts.
    """

    features: Sequence[Features]
    owners: NDArray[np.int64]
    encodings: Sequence[Encoding]
    report: EncodingReport

    def take(self, examples: NDArray[np.integer]) -> Encoded:
        """The sequences of some examples, in the order given; the report stays that of all."""
        starts = np.searchsorted(self.owners, examples, side="left")
        ends = np.searchsorted(self.owners, examples, side="right")
        places = [place for start, end in zip(starts, ends, strict=True) for place in range(start, end)]
        return Encoded(
            [self.features[place] for place in places],
            np.repeat(np.arange(len(examples), dtype=np.int64), ends - starts),
            [self.encodings[place] for place in places],
            self.report,
        )

    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each example, its windows together, shape (E,)."""
        return np.bincount(self.owners, weights=[len(item.ids) for item in self.features]).astype(np.int64)


class Task(Protocol[ExampleT, PredictionT]):
    """From a row of a file to inputs, from the network's outputs to answers and scores."""

    @property
    def labels(self) -> tuple[str, ...] | None:
        """The names of the network's classes, as erya.json keeps them; None where there are none."""
        ...

    @property
    def settings(self) -> dict[str, Any]:
        """What else a model directory must say for the task to be built again; plain JSON values."""
        ...

    def read(self, record: Record) -> ExampleT:
        """Check one row.

        Raises:
            InputError: a field cannot be used; says which, in which line.
        """
        ...

    def encode(self, examples: Sequence[ExampleT], tokenizer: AnyTokenizer, *, limit: LengthLimit) -> Encoded:
        """Turn examples into inputs, with targets where the truth is known.

        Raises:
            InputError: texts are longer than the limit and may not be truncated.
        """
        ...

    def decode(
        self, outputs: Sequence[NDArray[Any]], encoded: Encoded, examples: Sequence[ExampleT]
    ) -> list[PredictionT]:
        """Turn what the network's side gives for each of the F sequences into an answer for each example."""
        ...

    def tally(self) -> Tally[ExampleT, PredictionT]:
        """An empty one."""
        ...


class Calibration(Protocol):
    """Finds what the dev examples say of a trained network beyond its weights: thresholds."""

    def add(self, outputs: Sequence[NDArray[Any]], encoded: Encoded, examples: Sequence[Any]) -> None:
        """Take note of some examples' outputs."""
        ...

    def task(self) -> Any:
        """The task with what was found, which its `settings` then say."""
        ...


@runtime_checkable
class Calibratable(Protocol):
    """A task that may have something to find on the dev examples once the best weights are there."""

    def calibration(self) -> Calibration | None:
        """One that has seen nothing yet; None where there is nothing to find."""
        ...
