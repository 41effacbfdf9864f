"""`erya.json`: what a model directory says about itself beyond Hugging Face's files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from erya.config import StrictModel, validate
from erya.errors import CheckpointError, ConfigError
from erya.files import to_json

INFO_FILE = "erya.json"
TaskName = Literal["masked_lm", "classify", "tag", "answer", "next_sentence", "replaced_token"]
KindName = Literal["classify", "tag", "answer", "match", "embed"]
LABELLED: tuple[TaskName, ...] = ("classify", "tag")
ABSENT_HEAD = (
    "there is no masked-language head: the encoder is whole, but what it would say of a masked token is noise"
    " until such a head is trained on it"
)


class ModelInfo(StrictModel):
    """Task, labels, limits and provenance of a model directory.

    Attributes:
        format_version: of this file.
        task: which head the directory holds; None for an encoder alone.
        kind: the kind of task it was fine-tuned for, where the head alone does not say it: a classifier that
            matches pairs, an encoder whose states are sentence vectors.
        labels: names of the classes, in the order of the logits; only with `classify` and `tag`.
        max_length: tokens of the longest sequence the model was trained for, [CLS] and [SEP] included.
        tokenizer_mode: `native` covers every character, `reference` equals Hugging Face's.
        classifier_dropout_prob: dropout before the classifier; None means the encoder's.
        settings: what the kind of task needs besides to be what it was in training; free JSON, checked by it.
        provenance: where the model comes from: recipe, data, seed, parent; free JSON.
    """

    format_version: Literal[1] = 1
    task: TaskName | None = None
    kind: KindName | None = None
    labels: tuple[str, ...] | None = None
    max_length: int = Field(gt=2)
    tokenizer_mode: Literal["native", "reference"] = "reference"
    classifier_dropout_prob: float | None = Field(default=None, ge=0, lt=1)
    settings: dict[str, Any] = Field(default_factory=dict)
    provenance: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _labels_fit_the_task(self) -> Self:
        # A classifier of pairs without labels has one output: a number.
        is_judge = self.kind == "match" and self.task == "classify"
        if (self.task in LABELLED) != (self.labels is not None) and not (is_judge and self.labels is None):
            raise ValueError(f"labels belong to the tasks {' and '.join(LABELLED)} and to no other")
        if self.labels is not None and len(set(self.labels)) != len(self.labels):
            raise ValueError("a label occurs twice")
        return self


def read_info(directory: Path) -> ModelInfo | None:
    """The directory's `erya.json`, or None when it has none (a foreign directory).

    Raises:
        CheckpointError: the file is damaged or from a newer Erya.
    """
    path = directory / INFO_FILE
    if not path.exists():
        return None
    data = read_json(path)
    if data.get("format_version") not in (None, 1):
        raise CheckpointError(
            f"format version {data['format_version']!r} is newer than this Erya", where=str(path)
        )
    try:
        return validate(ModelInfo, data, where=str(path))
    except ConfigError as error:
        raise CheckpointError(error.what, where=error.where, hint=error.hint) from None


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        CheckpointError: the file is missing or holds something else.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError("no such file", where=str(path)) from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"not a JSON file: {error}", where=str(path)) from None
    if not isinstance(data, dict):
        raise CheckpointError("a JSON object is wanted", where=str(path))
    return data


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON object, indented."""
    path.write_text(to_json(value, indent=2) + "\n", encoding="utf-8")
