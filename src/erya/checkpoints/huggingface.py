"""Hugging Face's `config.json` to our configuration and back. Torch-free.

Options that change what the model computes and that Erya does not have are errors that name them;
nothing is read past.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from erya.checkpoints.info import ModelInfo, TaskName
from erya.config import validate
from erya.errors import CheckpointError, ConfigError
from erya.models.config import EncoderConfig

CONFIG_FILE = "config.json"

# Theirs to ours, where the value is the same.
_FIELDS = {
    "vocab_size": "vocab_size",
    "hidden_size": "hidden_size",
    "num_hidden_layers": "num_layers",
    "num_attention_heads": "num_heads",
    "intermediate_size": "intermediate_size",
    "max_position_embeddings": "max_positions",
    "type_vocab_size": "num_segments",
    "hidden_dropout_prob": "dropout_prob",
    "attention_probs_dropout_prob": "attention_dropout_prob",
    "layer_norm_eps": "layer_norm_eps",
    "initializer_range": "initializer_range",
}
# What `BertConfig` takes for a key that is not there, where Erya has no such default.
_DEFAULTS = {"vocab_size": 30522}
# Two names of theirs for one formula; the reverse takes ours, which is a name of theirs too.
_ACTIVATIONS = {"gelu": "gelu", "gelu_new": "gelu_new", "gelu_pytorch_tanh": "gelu_new", "relu": "relu"}
# Options and the values under which they change nothing.
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "position_embedding_type": (None, "absolute"),
    "is_decoder": (None, False),
    "add_cross_attention": (None, False),
    "pruned_heads": (None, {}),
    "quantization_config": (None,),
    "embedding_size": (None,),
}
_ARCHITECTURES: dict[str, TaskName | None] = {
    "Model": None,
    "ForMaskedLM": "masked_lm",
    "ForPreTraining": "masked_lm",
    "ForSequenceClassification": "classify",
}
_SAVED_AS: dict[TaskName | None, str] = {
    None: "BertModel",
    "masked_lm": "BertForMaskedLM",
    "classify": "BertForSequenceClassification",
}


@dataclass(frozen=True, slots=True)
class ForeignConfig:
    """What a `config.json` says.

    Attributes:
        encoder: sizes and options of the encoder.
        task: of the head the directory was saved with; None when it has none or one Erya lacks.
        labels: names of the classes when the task is `classify`.
        classifier_dropout_prob: dropout before the classifier; None means the encoder's.
        notes: what a user should know, a sentence each.
    """

    encoder: EncoderConfig
    task: TaskName | None
    labels: tuple[str, ...] | None
    classifier_dropout_prob: float | None
    notes: tuple[str, ...]


def parse_config(data: Mapping[str, Any], *, where: str) -> ForeignConfig:
    """Read the contents of a `config.json`.

    Args:
        data: the JSON object.
        where: the file, for errors.
    Raises:
        CheckpointError: an option is one Erya does not have, or a value is not allowed.
    """
    _refuse_unsupported(data, where)
    task, notes = _task(data)
    return ForeignConfig(
        encoder=_encoder_config(data, where),
        task=task,
        labels=_labels(data, where) if task == "classify" else None,
        classifier_dropout_prob=data.get("classifier_dropout"),
        notes=notes,
    )


def check_family(data: Mapping[str, Any], names: Collection[str], directory: Path) -> tuple[str, ...]:
    """Decide by the tensors, not by the label, whether this is a BERT.

    Many Chinese checkpoints called RoBERTa are BERTs: trained RoBERTa's way, with BERT's tensors and a
    `vocab.txt`. Opened by their label they would give a randomly initialised encoder.

    Args:
        data: the contents of `config.json`.
        names: the names of the stored tensors.
        directory: the model directory; only looked at for a `vocab.txt`.
    Returns:
        Notes for the user.
    Raises:
        CheckpointError: a real RoBERTa.
    """
    labelled = data.get("model_type") == "roberta"
    if any(name.startswith("roberta.") for name in names):
        raise CheckpointError(
            "the tensors are a RoBERTa's (`roberta.*`): its positions are counted differently",
            where=str(directory),
            hint="Erya opens BERT checkpoints, Chinese 'RoBERTa-wwm' included",
        )
    if not labelled:
        return ()
    if any(name.startswith("bert.") for name in names) or (directory / "vocab.txt").is_file():
        return ("config.json says 'roberta', the tensors and vocab.txt are BERT's: opened as BERT",)
    raise CheckpointError(
        "config.json says 'roberta', and neither tensor names (`bert.*`) nor a vocab.txt say otherwise",
        where=str(directory),
    )


def render_config(config: EncoderConfig, info: ModelInfo) -> dict[str, Any]:
    """The contents of the `config.json` with which `transformers` builds the same model."""
    values = {theirs: getattr(config, ours) for theirs, ours in _FIELDS.items()}
    return {
        "architectures": [_SAVED_AS[info.task]],
        "model_type": "bert",
        **values,
        "hidden_act": config.activation,
        "pad_token_id": config.pad_id,
        "position_embedding_type": "absolute",
        "is_decoder": False,
        "tie_word_embeddings": True,
        **(_render_labels(info) if info.labels is not None else {}),
    }


def _render_labels(info: ModelInfo) -> dict[str, Any]:
    labels = info.labels or ()
    return {
        "id2label": {str(index): label for index, label in enumerate(labels)},
        "label2id": {label: index for index, label in enumerate(labels)},
        "problem_type": "single_label_classification",
        "classifier_dropout": info.classifier_dropout_prob,
    }


def _refuse_unsupported(data: Mapping[str, Any], where: str) -> None:
    family = data.get("model_type", "bert")
    if family not in ("bert", "roberta"):
        raise CheckpointError(
            f"model_type {family!r} is not a family Erya opens", where=where, hint="known: bert"
        )
    for option, neutral in _NEUTRAL.items():
        value = data.get(option)
        if value not in neutral:
            raise CheckpointError(
                f"the option {option}={value!r} changes what the model computes, and Erya does not have it",
                where=where,
            )
    if data.get("hidden_act", "gelu") not in _ACTIVATIONS:
        raise CheckpointError(
            f"the option hidden_act={data['hidden_act']!r} is unknown",
            where=where,
            hint="known: " + ", ".join(_ACTIVATIONS),
        )


def _encoder_config(data: Mapping[str, Any], where: str) -> EncoderConfig:
    values = dict(_DEFAULTS) | {ours: data[theirs] for theirs, ours in _FIELDS.items() if theirs in data}
    values["activation"] = _ACTIVATIONS[data.get("hidden_act", "gelu")]
    # No padding is ever computed, so a configuration without a padding id loses nothing by the usual one.
    values["pad_id"] = data.get("pad_token_id") or 0
    try:
        return validate(EncoderConfig, values, where=where)
    except ConfigError as error:
        raise CheckpointError(error.what, where=error.where, hint=error.hint) from None


def _task(data: Mapping[str, Any]) -> tuple[TaskName | None, tuple[str, ...]]:
    """The task of the first architecture, and a note where Erya lacks its head."""
    architectures = data.get("architectures") or ["BertModel"]
    kind = str(architectures[0]).removeprefix("Bert").removeprefix("Roberta")
    if kind not in _ARCHITECTURES:
        return None, (f"saved as {architectures[0]}, a head Erya does not have: only the encoder is opened",)
    task = _ARCHITECTURES[kind]
    problem = data.get("problem_type")
    if task == "classify" and (problem not in (None, "single_label_classification") or _count(data) == 1):
        return None, (
            f"classification of the kind {problem or 'regression'} has no head in Erya: only the encoder is"
            " opened",
        )
    return task, ()


def _count(data: Mapping[str, Any]) -> int:
    """How many classes there are: `BertConfig` means two when nothing is said."""
    return len(data["id2label"]) if data.get("id2label") else int(data.get("num_labels", 2))


def _labels(data: Mapping[str, Any], where: str) -> tuple[str, ...]:
    names = data.get("id2label") or {str(index): f"LABEL_{index}" for index in range(_count(data))}
    by_index = {str(index): str(label) for index, label in names.items()}
    wanted = [str(index) for index in range(len(by_index))]
    if set(by_index) != set(wanted):
        raise CheckpointError(f"id2label counts {sorted(by_index)}, not 0 to {len(wanted) - 1}", where=where)
    labels = tuple(by_index[index] for index in wanted)
    expected = {label: index for index, label in enumerate(labels)}
    if len(expected) != len(labels):
        raise CheckpointError("id2label gives two classes one name", where=where)
    if data.get("label2id") and data["label2id"] != expected:
        raise CheckpointError("id2label and label2id do not agree", where=where)
    return labels
