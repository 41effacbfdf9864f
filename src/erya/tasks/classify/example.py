"""One text to classify, and the answer for it. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from erya.data.records import Record
from erya.errors import InputError

# What fields of sets of labels are called: `label:polarity`.
SET_FIELD = "label:"


@dataclass(frozen=True, slots=True)
class Example:
    """One text to classify.

    Attributes:
        text: the text, or the first of a pair.
        pair: the second text, or None.
        label: the truth, or None where it is not known; of several labels, as they stand in the file.
        where: file and line, for messages.
        line: the line it begins on, or its number where there is no file.
        sets: where there are several sets of labels, the truth of each, by the set's name.
    """

    text: str
    pair: str | None
    label: str | None
    where: str
    line: int
    sets: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one text.

    Attributes:
        text: the text as it was given.
        label: the likeliest class.
        scores: probability of each class, summing to 1, in the order of the labels.
        pair: the second text, or None.
    """

    text: str
    label: str
    scores: dict[str, float]
    pair: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The answer as the JSON object `erya predict` prints."""
        pair = {} if self.pair is None else {"pair": self.pair}
        return {"text": self.text, **pair, "label": self.label, "scores": self.scores}


def read_example(record: Record) -> Example:
    """Check one row, whatever its labels; those are its task's to check.

    Raises:
        InputError: a row with a label has an empty text or second text. Without one an empty text is no
            mistake: who asks for line after line gets an answer for each.
    """
    values = record.values
    sets = {
        field.removeprefix(SET_FIELD): value for field, value in values.items() if field.startswith(SET_FIELD)
    }
    if "label" in values or sets:
        for field in ("text", "pair"):
            if field in values and not values[field].strip():
                raise InputError(f"the {field} is empty", where=f"{record.where}, field {field!r}")
    return Example(
        values["text"], values.get("pair"), values.get("label"), record.where, record.line, sets or None
    )


def require_label(example: Example) -> str:
    """The one label of an example.

    Raises:
        InputError: it is empty.
    """
    if not (example.label or "").strip():
        raise InputError("the label is empty", where=f"{example.where}, field 'label'")
    return example.label or ""
