"""Writing a model directory that `transformers` opens as its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from erya.checkpoints.families.family import ENCODER_PREFIX, HEAD_PREFIXES, Family
from erya.checkpoints.families.table import FAMILIES
from erya.checkpoints.huggingface import CONFIG_FILE, render_config
from erya.checkpoints.info import INFO_FILE, LABELLED, ModelInfo, TaskName, read_json, write_json
from erya.checkpoints.names import tasks_of, written_names
from erya.checkpoints.sentence_transformers import write_sentence_files
from erya.checkpoints.weights import SAFETENSORS_FILE
from erya.errors import CheckpointError, StorageError
from erya.files import atomic_directory
from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
from erya.tokenizer.directory import CONFIG as TOKENIZER_CONFIG

# The last layers of classifiers, and how many rows each has for a class.
_CLASSES = {"classifier.weight": 1, "tagger.weight": 1, "tagger.types.weight": 2}

if TYPE_CHECKING:
    from erya.tokenizer.any_tokenizer import AnyTokenizer


def save_model(
    directory: Path, *, module: nn.Module, tokenizer: AnyTokenizer, info: ModelInfo, replace: bool = False
) -> None:
    """Write a model directory, whole or not at all.

    Args:
        directory: its name; must not hold anything yet unless `replace`.
        module: an `Encoder`, or a model with `encoder` and the head that `info.task` names, perhaps beside
            others that the family has together with it.
        tokenizer: the tokenizer the model was trained with.
        info: task, labels, limits, provenance; the tokenizer's mode is filled in from the tokenizer.
        replace: whether an existing directory may be replaced.
    Raises:
        CheckpointError: vocabulary, labels or limits do not fit the module.
        StorageError: the directory exists, or the disk refuses; nothing half-written is left.
    """
    encoder = encoder_of(module)
    info = info.model_copy(update={"tokenizer_mode": tokenizer.mode})
    values = named_tensors(module)
    _require_fit(encoder.config, tokenizer, info, values, directory)
    unused = unused_fields(values)
    entries = render_config(encoder.config, info, tasks=tasks_of(values), unused=unused, where=str(directory))
    tensors = foreign_tensors(module)
    with atomic_directory(directory, replace=replace) as aside:
        write_json(aside / CONFIG_FILE, entries)
        write_json(aside / INFO_FILE, info.model_dump(mode="json"))
        write_tokenizer(tokenizer, encoder.config, aside)
        write_tensors(aside / SAFETENSORS_FILE, tensors)
        if info.kind == "embed":
            size = encoder.config.hidden_size
            write_sentence_files(aside, info.settings, max_length=info.max_length, size=size)


def write_tokenizer(tokenizer: AnyTokenizer, config: EncoderConfig, directory: Path) -> None:
    """Write a tokenizer's files; where the model has no second segment they do not promise one.

    Args:
        tokenizer: of the model.
        config: of its encoder.
        directory: an existing directory.
    """
    tokenizer.save(directory)
    path = directory / TOKENIZER_CONFIG
    if config.num_segments > 1 or not path.is_file():
        return
    entries = read_json(path)
    if "token_type_ids" in entries.get("model_input_names", ()):
        write_json(path, entries | {"model_input_names": ["input_ids", "attention_mask"]})


def unused_fields(values: Mapping[str, Tensor]) -> frozenset[str]:
    """Fields of the configuration that a model with these tensors makes no use of."""
    unused = set()
    if not any(name.startswith((f"{ENCODER_PREFIX}pooler.", "transform.")) for name in values):
        unused.add("pooler")
    if not any(name.startswith(HEAD_PREFIXES["masked_lm"]) for name in values):
        unused |= {"head_activation", "head_bias"}
    return frozenset(unused)


def encoder_of(module: nn.Module) -> Encoder:
    """The encoder a module is or has."""
    encoder = module if isinstance(module, Encoder) else module.get_submodule("encoder")
    assert isinstance(encoder, Encoder), "a model to save is an Encoder or has one called `encoder`"
    return encoder


def foreign_tensors(module: nn.Module) -> dict[str, Tensor]:
    """A module's parameters under Hugging Face's names, fused ones split, on the CPU and contiguous.

    Raises:
        CheckpointError: the family has no place for one of them.
    """
    config = encoder_of(module).config
    family = FAMILIES[config.family]
    values = named_tensors(module)
    tasks = tasks_of(values)
    _require_places(family, config, tasks, values)
    names = written_names(family, config, tasks)
    tensors = {}
    for ours, value in values.items():
        pieces = value.chunk(len(names[ours]), dim=0) if len(names[ours]) > 1 else (value,)
        for part, piece in zip(names[ours], pieces, strict=True):
            # A slice shares its storage with the others, which the format refuses to store.
            tensors[part] = piece if piece is value else piece.clone(memory_format=torch.contiguous_format)
    prefix = family.prefix if tasks else ""
    for name, derived in family.derived(config).items():
        tensors[prefix + name] = torch.from_numpy(derived)
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def named_tensors(module: nn.Module) -> dict[str, Tensor]:
    """A module's parameters on the CPU, by our names in the space of a whole model."""
    prefix = ENCODER_PREFIX if isinstance(module, Encoder) else ""
    return {prefix + name: tensor.detach().cpu() for name, tensor in module.state_dict().items()}


def _require_places(
    family: Family, config: EncoderConfig, tasks: tuple[TaskName, ...], values: Mapping[str, Tensor]
) -> None:
    heads = family.heads(config)
    lacking = [task for task in tasks if task not in heads]
    table = {} if lacking else family.table(config, tasks)
    homeless = [name for name in values if name not in table]
    if lacking:
        raise CheckpointError(f"the family {family.name} has no head for {lacking[0]}")
    if homeless:
        hint = None
        if all(name.startswith(f"{ENCODER_PREFIX}pooler.") for name in homeless):
            hint = "it has one only together with a classifier: build the encoder with pooler=False"
        raise CheckpointError(f"the family {family.name} has no place for {', '.join(homeless)}", hint=hint)


def _require_fit(
    config: EncoderConfig,
    tokenizer: AnyTokenizer,
    info: ModelInfo,
    values: Mapping[str, Tensor],
    where: Path,
) -> None:
    problem = None
    classes = next((len(values[name]) // rows for name, rows in _CLASSES.items() if name in values), None)
    if tokenizer.vocab_size > config.vocab_size:
        problem = f"the vocabulary has {tokenizer.vocab_size} pieces, the embedding {config.vocab_size} rows"
    elif info.max_length > config.max_positions:
        problem = f"max_length {info.max_length} is more than the {config.max_positions} positions"
    elif classes != _num_outputs(info):
        problem = f"the labels are {info.labels}, the classifier has {classes or 'no'} outputs"
    elif tasks_of(values)[:1] != (() if info.task is None else (info.task,)):
        problem = f"the task is {info.task}, which the module's head is not for"
    if problem is not None:
        raise CheckpointError(problem, where=str(where))


def _num_outputs(info: ModelInfo) -> int | None:
    """Rows of the classifier: one for each label, or one for a number."""
    if info.labels is not None:
        return len(info.labels)
    return 1 if info.task in LABELLED else None


def write_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write named tensors, none of which shares memory with another, as safetensors.

    Raises:
        StorageError: the disk refuses.
    """
    try:
        save_file(tensors, path, metadata={"format": "pt"})
    except SafetensorError as error:
        # The library wraps the operating system's error in one of its own and keeps only its text.
        full = "No space left" in str(error) or "os error 28" in str(error)
        raise StorageError(
            "the disk is full; nothing half-written was left" if full else f"cannot write: {error}",
            where=str(path),
            hint="free space, then run again" if full else None,
        ) from error
