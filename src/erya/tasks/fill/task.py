"""Filling masks without the network: finding them in texts, naming the guesses.

M masks of a text, K guesses of each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from erya.data.features import Features
from erya.data.records import Record
from erya.errors import InputError
from erya.tasks.task import Encoded, Task
from erya.tasks.texts import LengthLimit, encode_texts
from erya.tokenizer.any_tokenizer import AnyTokenizer


@dataclass(frozen=True, slots=True)
class Example:
    """A text with masks, and where it stands."""

    text: str
    where: str
    line: int


@dataclass(frozen=True, slots=True)
class Mask:
    """A mask and what may stand there.

    Attributes:
        start, end: its place in the text, in characters, half open.
        guesses: tokens and their probabilities in [0, 1], the likeliest first; K of them.
    """

    start: int
    end: int
    guesses: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Prediction:
    """A text with its M masks filled, each for itself.

    Attributes:
        text: the text as it was given.
        masks: its masks, in order; those that were cut off are not there.
    """

    text: str
    masks: tuple[Mask, ...]

    @property
    def filled(self) -> str:
        """The text with the likeliest token in place of every mask, a piece of a word without its mark."""
        parts, end = [], 0
        for mask in self.masks:
            parts += [self.text[end : mask.start], next(iter(mask.guesses)).removeprefix("##")]
            end = mask.end
        return "".join([*parts, self.text[end:]])

    def to_dict(self) -> dict[str, Any]:
        """The answer as the JSON object `erya predict` prints."""
        masks = [{"start": mask.start, "end": mask.end, "guesses": dict(mask.guesses)} for mask in self.masks]
        return {"text": self.text, "filled": self.filled, "masks": masks}


@dataclass(frozen=True, slots=True)
class FillTask:
    """Texts with masks in them.

    Attributes:
        vocab: the tokens, by id.
        mask_id: of the mask, which a text holds as the vocabulary writes it: `[MASK]`, `<mask>`.
    """

    vocab: Sequence[str]
    mask_id: int

    @property
    def labels(self) -> None:
        """There are no classes."""
        return

    @property
    def settings(self) -> dict[str, Any]:
        """Nothing but the vocabulary, which a model directory has."""
        return {}

    def read(self, record: Record) -> Example:
        """Check one row with the field `text`.

        Raises:
            InputError: it has no mask.
        """
        text, mask = record.values["text"], self.vocab[self.mask_id]
        if mask not in text:
            raise InputError(
                f"the text has no {mask} to fill",
                where=f"{record.where}, field 'text'",
                hint=f"this is a masked language model: erya predict MODEL 今天天气真{mask}。"
                " To classify, tag, answer or compare with it, fine-tune it first: erya finetune --help",
            )
        return Example(text, record.where, record.line)

    def encode(self, examples: Sequence[Example], tokenizer: AnyTokenizer, *, limit: LengthLimit) -> Encoded:
        """Turn texts into inputs. Target rows: `is_mask`, bool, one a token.

        Raises:
            InputError: texts are longer than `limit` and may not be truncated.
        """
        encodings, report = encode_texts(
            [example.text for example in examples],
            None,
            tokenizer,
            limit=limit,
            places=[example.where for example in examples],
        )
        features = [
            Features(encoding.ids, encoding.type_ids, row_targets={"is_mask": encoding.ids == self.mask_id})
            for encoding in encodings
        ]
        return Encoded(features, np.arange(len(features)), encodings, report)

    def decode(
        self, outputs: Sequence[NDArray[Any]], encoded: Encoded, examples: Sequence[Example]
    ) -> list[Prediction]:
        """Turn ids and probabilities, of each sequence shape (M, K, 2), into answers."""
        found = []
        for guesses, features, encoding, example in zip(
            outputs, encoded.features, encoded.encodings, examples, strict=True
        ):
            spans = encoding.spans[features.row_targets["is_mask"]]
            masks = [
                Mask(start, end, {self._token(int(id)): float(share) for id, share in row})
                for (start, end), row in zip(spans.tolist(), guesses, strict=True)
            ]
            found.append(Prediction(example.text, tuple(masks)))
        return found

    def tally(self) -> NoReturn:
        """None.

        Raises:
            InputError: always; nobody knows what the masks of a text hide.
        """
        raise InputError(
            "a masked language model fills masks, for which a file has no truth to score it by",
            hint="fine-tune it first: erya finetune --help",
        )

    def _token(self, id: int) -> str:
        """A token as it is written; a row of the network beyond the vocabulary by its number."""
        piece = self.vocab[id] if id < len(self.vocab) else ""
        return piece or f"row {id}"


if TYPE_CHECKING:
    _: Task[Example, Prediction] = FillTask((), 0)
