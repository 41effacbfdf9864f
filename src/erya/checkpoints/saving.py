"""Writing a model directory that `transformers` opens as its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from erya.checkpoints.huggingface import CONFIG_FILE, render_config
from erya.checkpoints.info import INFO_FILE, ModelInfo, write_json
from erya.checkpoints.names import ENCODER_PREFIX, write_names
from erya.checkpoints.weights import SAFETENSORS_FILE
from erya.errors import CheckpointError, StorageError
from erya.files import atomic_directory
from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder

if TYPE_CHECKING:
    from erya.tokenizer.any_tokenizer import AnyTokenizer


def save_model(
    directory: Path, *, module: nn.Module, tokenizer: AnyTokenizer, info: ModelInfo, replace: bool = False
) -> None:
    """Write a model directory, whole or not at all.

    Args:
        directory: its name; must not hold anything yet unless `replace`.
        module: an `Encoder`, or a model with `encoder` and the head that `info.task` names.
        tokenizer: the tokenizer the model was trained with.
        info: task, labels, limits, provenance; the tokenizer's mode is filled in from the tokenizer.
        replace: whether an existing directory may be replaced.
    Raises:
        CheckpointError: vocabulary, labels or limits do not fit the module.
        StorageError: the directory exists, or the disk refuses; nothing half-written is left.
    """
    encoder = encoder_of(module)
    info = info.model_copy(update={"tokenizer_mode": tokenizer.mode})
    tensors = foreign_tensors(module)
    _require_fit(encoder.config, tokenizer, info, tensors, directory)
    with atomic_directory(directory, replace=replace) as aside:
        write_json(aside / CONFIG_FILE, render_config(encoder.config, info))
        write_json(aside / INFO_FILE, info.model_dump(mode="json"))
        tokenizer.save(aside)
        write_tensors(aside / SAFETENSORS_FILE, tensors)


def encoder_of(module: nn.Module) -> Encoder:
    """The encoder a module is or has."""
    encoder = module if isinstance(module, Encoder) else module.get_submodule("encoder")
    assert isinstance(encoder, Encoder), "a model to save is an Encoder or has one called `encoder`"
    return encoder


def foreign_tensors(module: nn.Module) -> dict[str, Tensor]:
    """A module's parameters under Hugging Face's names, fused ones split, on the CPU and contiguous."""
    bare = isinstance(module, Encoder)
    tensors = {}
    for name, tensor in module.state_dict().items():
        names = write_names(ENCODER_PREFIX + name if bare else name, bare=bare)
        for part, value in zip(names, tensor.detach().cpu().chunk(len(names), dim=0), strict=True):
            # A slice shares its storage with the others, which the format refuses to store.
            tensors[part] = value.clone(memory_format=torch.contiguous_format) if len(names) > 1 else value
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def _require_fit(
    config: EncoderConfig,
    tokenizer: AnyTokenizer,
    info: ModelInfo,
    tensors: Mapping[str, Tensor],
    where: Path,
) -> None:
    problem = None
    classes = len(tensors["classifier.weight"]) if "classifier.weight" in tensors else None
    if tokenizer.vocab_size > config.vocab_size:
        problem = f"the vocabulary has {tokenizer.vocab_size} pieces, the embedding {config.vocab_size} rows"
    elif info.max_length > config.max_positions:
        problem = f"max_length {info.max_length} is more than the {config.max_positions} positions"
    elif classes != (len(info.labels) if info.labels is not None else None):
        problem = f"the labels are {info.labels}, the classifier has {classes or 'no'} outputs"
    elif ("cls.predictions.bias" in tensors) != (info.task == "masked_lm"):
        problem = f"the task is {info.task}, which the module's head is not for"
    if problem is not None:
        raise CheckpointError(problem, where=str(where))


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
