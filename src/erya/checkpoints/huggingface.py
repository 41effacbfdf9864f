"""Hugging Face's `config.json` to our configuration and back, by a family's tables. Torch-free.

Options that change what the model computes and that Erya does not have are errors that name them;
nothing is read past.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from erya.checkpoints.families.family import Family
from erya.checkpoints.families.table import FAMILIES
from erya.checkpoints.info import LABELLED, ModelInfo, TaskName
from erya.errors import CheckpointError
from erya.models.config import EncoderConfig, PoolerConfig
from erya.models.positions import Disentangled, Rotary

CONFIG_FILE = "config.json"
# What reading a list as a number, or looking something up in a number, raises.
_WRONG_KIND = (TypeError, ValueError, AttributeError, KeyError, OverflowError)
# A class without the family's name: "Model", "ForMaskedLM", "LMHeadModel".
_MULTI_LABEL = "multi_label_classification"
_CLASSIFICATIONS = (None, "single_label_classification", _MULTI_LABEL)
_CLASS = re.compile(r"(?:For[A-Z]\w*|(?:LMHead)?Model)$")


@dataclass(frozen=True, slots=True)
class ForeignConfig:
    """What a `config.json` says.

    Attributes:
        family: whose names and options hold.
        encoder: sizes and options of the encoder.
        tasks: whose heads the class it was saved as has.
        heads: whose heads there are; those of the class as long as nobody looked at the tensors.
        task: the first of them; None when it has none or one Erya lacks.
        labels: names of the classes when the task has such.
        classifier_dropout_prob: dropout before the classifier; None means the encoder's.
        is_multi_label: whether its classifier says of each class by itself if it holds.
        notes: what a user should know, a sentence each.
    """

    family: Family
    encoder: EncoderConfig
    tasks: tuple[TaskName, ...]
    heads: tuple[TaskName, ...]
    task: TaskName | None
    labels: tuple[str, ...] | None
    classifier_dropout_prob: float | None
    is_multi_label: bool
    notes: tuple[str, ...]


def parse_config(data: Mapping[str, Any], *, family: Family, where: str) -> ForeignConfig:
    """Read the contents of a `config.json`.

    Args:
        data: the JSON object.
        family: whose options they are, whatever `model_type` says.
        where: the file, for errors.
    Raises:
        CheckpointError: an option is one Erya does not have, or a value is not allowed.
    """
    try:
        encoder, notes = family.parse(data, where)
        tasks, head_notes = _tasks(data, family)
        task = tasks[0] if tasks else None
        is_judge = task == "classify" and _count(data) == 1
        labels = _labels(data, where) if task in LABELLED and not is_judge else None
    except _WRONG_KIND as error:
        raise CheckpointError(f"an option has a value of the wrong kind: {error}", where=where) from error
    dropout = None if family.dropout_key is None else data.get(family.dropout_key, family.dropout_default)
    return ForeignConfig(
        family=family,
        encoder=encoder,
        tasks=tasks,
        heads=tasks,
        task=task,
        labels=labels,
        classifier_dropout_prob=dropout,
        is_multi_label=labels is not None and data.get("problem_type") == _MULTI_LABEL,
        notes=(*notes, *head_notes),
    )


def render_config(
    config: EncoderConfig,
    info: ModelInfo,
    *,
    tasks: tuple[TaskName, ...] | None = None,
    unused: Collection[str] = (),
    where: str = "the model",
) -> dict[str, Any]:
    """The contents of the `config.json` with which `transformers` builds the same model.

    Args:
        config: of the encoder.
        info: task, labels, dropout.
        tasks: whose heads the model has, in the order of `HEAD_PREFIXES`; None: that of `info.task`.
        unused: fields of `config` that the model to save makes no use of: `pooler`, the `head_...` ones.
        where: what is rendered, for errors.
    Raises:
        CheckpointError: the family has no such head, or cannot say a field of `config`.
    """
    family = FAMILIES[config.family]
    if tasks is None:
        tasks = () if info.task is None else (info.task,)
    entries = require_saveable(config, tasks, unused=unused, where=where)
    if info.task in LABELLED:
        entries |= _render_labels(info)
    if info.task in LABELLED and family.dropout_key is not None:
        entries[family.dropout_key] = _dropout(family, config, info)
    return entries


def require_saveable(
    config: EncoderConfig, tasks: tuple[TaskName, ...], *, unused: Collection[str] = (), where: str
) -> dict[str, Any]:
    """Make sure that a model with these tasks' heads can be written; for the arguments see `render_config`.

    Returns:
        What `config.json` says of its class, family and encoder.
    Raises:
        CheckpointError: the family has no such head, or cannot say a field of `config`.
    """
    family = FAMILIES[config.family]
    saved_as = family.class_for(tasks)
    if saved_as is None:
        wanted = f"the task {tasks[0]}" if len(tasks) == 1 else f"the tasks {' and '.join(tasks)} together"
        others = [name for name, other in FAMILIES.items() if other.class_for(tasks) is not None]
        raise CheckpointError(
            f"the family {family.name} has no class for {wanted}",
            where=where,
            hint=f"these families have one: {', '.join(others)}" if others else None,
        )
    entries = {"architectures": [saved_as], "model_type": family.name, **family.render(config)}
    _require_said(family, config, entries, unused, where)
    return entries


def settled(config: EncoderConfig) -> EncoderConfig:
    """A configuration of the same model in which what says the same is said the same way."""
    changes: dict[str, Any] = {
        "head_activation": config.head_activation or config.activation,
        "num_groups": config.num_groups or config.num_layers,
        "norm_after_projection": config.norm_after_projection and config.embedding_size is not None,
        "global_every": 1 if config.window is None else min(config.global_every, config.num_layers),
    }
    if config.convolution is None:
        changes |= {"convolution_groups": 1, "convolution_activation": "tanh"}
    positions = config.positions
    if isinstance(positions, Rotary):
        local = positions.local_base if config.window is not None else None
        changes["positions"] = positions.model_copy(update={"local_base": local or positions.base})
    if isinstance(positions, Disentangled):
        changes["positions"] = positions.model_copy(update={"terms": tuple(sorted(positions.terms))})
    return config.model_copy(update=changes)


def _require_said(
    family: Family, config: EncoderConfig, entries: dict[str, Any], unused: Collection[str], where: str
) -> None:
    """Read what was rendered: whatever comes back otherwise the family has no words for."""
    try:
        read = settled(family.parse(entries, where)[0])
    except CheckpointError as error:
        raise CheckpointError(
            f"this model cannot be written as family {family.name}: {error.what}", where=where
        ) from None
    wanted = settled(config)
    wrong = [
        f"{name} {_shown(getattr(wanted, name))} (it has {_shown(getattr(read, name))})"
        for name in EncoderConfig.model_fields
        if name not in unused and getattr(read, name) != getattr(wanted, name)
    ]
    if wrong:
        raise CheckpointError(f"the family {family.name} has no {', no '.join(wrong)}", where=where)


def _shown(value: Any) -> str:
    return str(value.model_dump()) if isinstance(value, PoolerConfig) else str(value)


def _dropout(family: Family, config: EncoderConfig, info: ModelInfo) -> float | None:
    if info.classifier_dropout_prob is not None or family.dropout_default is None:
        return info.classifier_dropout_prob
    return config.dropout_prob  # the family would take its own default for None


def _render_labels(info: ModelInfo) -> dict[str, Any]:
    labels = info.labels or ("LABEL_0",)  # of a number
    entries: dict[str, Any] = {
        "id2label": {str(index): label for index, label in enumerate(labels)},
        "label2id": {label: index for index, label in enumerate(labels)},
    }
    problem = "regression" if info.labels is None else "single_label_classification"
    if info.settings.get("multi_label"):
        problem = _MULTI_LABEL
    return entries | ({"problem_type": problem} if info.task == "classify" else {})


def _tasks(data: Mapping[str, Any], family: Family) -> tuple[tuple[TaskName, ...], tuple[str, ...]]:
    """The tasks of the first architecture, and a note where Erya lacks its head."""
    saved_as = str((data.get("architectures") or ["Model"])[0])
    found = _CLASS.search(saved_as)
    if found is None or found[0] not in family.classes:
        return (), (f"saved as {saved_as}, a head Erya does not have: only the encoder is opened",)
    tasks = family.classes[found[0]]
    problem = data.get("problem_type")
    # With one output `transformers` learns a number, whatever it is called.
    known = (None, "regression") if _count(data) == 1 else _CLASSIFICATIONS
    if "classify" in tasks and problem not in known:
        return (), (f"classification of the kind {problem} has no head in Erya: only the encoder is opened",)
    return tasks, ()


def _count(data: Mapping[str, Any]) -> int:
    """How many classes there are: `transformers` means two when nothing is said."""
    return len(data["id2label"]) if data.get("id2label") else int(data.get("num_labels", 2))


def _labels(data: Mapping[str, Any], where: str) -> tuple[str, ...]:
    names = data.get("id2label") or {str(index): f"LABEL_{index}" for index in range(_count(data))}
    by_index = {str(index): str(label) for index, label in names.items()}
    wanted = [str(index) for index in range(len(by_index))]
    if set(by_index) != set(wanted):
        raise CheckpointError(f"id2label counts {sorted(by_index)}, not 0 to {len(wanted) - 1}", where=where)
    if not wanted:
        raise CheckpointError(f"there are {_count(data)} classes; a classifier has some", where=where)
    labels = tuple(by_index[index] for index in wanted)
    expected = {label: index for index, label in enumerate(labels)}
    if len(expected) != len(labels):
        raise CheckpointError("id2label gives two classes one name", where=where)
    if data.get("label2id") and data["label2id"] != expected:
        raise CheckpointError("id2label and label2id do not agree", where=where)
    return labels
