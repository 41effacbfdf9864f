"""What there is to know about a family to read and write its directories."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from erya.checkpoints.info import TaskName
from erya.models.config import EncoderConfig, FamilyName

# Our name of a tensor, and theirs: several are concatenated on dimension 0.
Table = dict[str, tuple[str, ...]]
ENCODER_PREFIX = "encoder."
# What the names of each task's head begin with, ours.
HEAD_PREFIXES: Mapping[TaskName, str] = {
    "masked_lm": "head.",
    "classify": "classifier.",
    "tag": "tagger.",
    "answer": "spans.",
    "next_sentence": "next_sentence.",
    "replaced_token": "discriminator.",
}
# What `transformers` calls the classes that most families have, without the family's name.
USUAL_CLASSES: Mapping[str, tuple[TaskName, ...]] = {
    "Model": (),
    "ForMaskedLM": ("masked_lm",),
    "ForSequenceClassification": ("classify",),
    "ForTokenClassification": ("tag",),
    "ForQuestionAnswering": ("answer",),
}


def _nothing(config: EncoderConfig) -> dict[str, NDArray[np.float32]]:
    return {}


@dataclass(frozen=True, slots=True)
class Family:
    """A family as tables.

    In the tables stand the names of a bare encoder and, without a prefix too, those of the heads.

    Attributes:
        name: what `config.json` says as `model_type`.
        class_prefix: what names of classes begin with.
        prefix: what names of the encoder's tensors begin with beside a head.
        parse: (contents of `config.json`, file for errors) -> (configuration, notes).
        render: the entries of `config.json` for a configuration.
        tensors: names of the encoder's tensors, for a configuration; its pooler's if it has one of its own.
        heads: names of each task's tensors, for a configuration; a pooler's where it comes with the head.
        classes: the tasks whose heads each class has; the first class with the wanted ones is written.
        tied: other names of theirs for values that stand in a table.
        dropout_key: which option is the dropout before a classifier; None: it has none of its own.
        dropout_default: its value when nothing is said; None: the encoder's.
        ignored: patterns of names whose values are counted or computed, never learnt.
        other_heads: beginnings of names of heads that Erya does not have.
        derived: tensors that they store and we compute, by their names, for a configuration.
    """

    name: FamilyName
    class_prefix: str
    prefix: str
    parse: Callable[[Mapping[str, Any], str], tuple[EncoderConfig, tuple[str, ...]]]
    render: Callable[[EncoderConfig], dict[str, Any]]
    tensors: Callable[[EncoderConfig], Table]
    heads: Callable[[EncoderConfig], Mapping[TaskName, Table]]
    classes: Mapping[str, tuple[TaskName, ...]]
    tied: Mapping[str, str]
    dropout_key: str | None = "classifier_dropout"
    dropout_default: float | None = None
    ignored: tuple[str, ...] = (r"embeddings\.(position|token_type)_ids",)
    other_heads: tuple[str, ...] = field(default=("sequence_summary.",))
    derived: Callable[[EncoderConfig], dict[str, NDArray[np.float32]]] = _nothing

    def class_for(self, tasks: tuple[TaskName, ...]) -> str | None:
        """The class a model with the heads of just these tasks is saved as; None if the family has none."""
        suffix = next((name for name, of in self.classes.items() if of == tasks), None)
        return None if suffix is None else self.class_prefix + suffix

    def table(self, config: EncoderConfig, tasks: tuple[TaskName, ...]) -> Table:
        """Names of all tensors of a model with the heads of these tasks."""
        heads = self.heads(config)
        return self.tensors(config) | {ours: of for task in tasks for ours, of in heads[task].items()}
