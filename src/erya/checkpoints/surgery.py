"""Changing the vocabulary of a model directory: rows for new tokens, everything else as it was.

V old rows, W new rows, H hidden size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from erya.checkpoints.directory import read_model, require_vocabulary_fits
from erya.checkpoints.huggingface import CONFIG_FILE
from erya.checkpoints.info import INFO_FILE, read_info, read_json, write_json
from erya.checkpoints.names import NamePlan
from erya.checkpoints.saving import write_tensors
from erya.checkpoints.tensors import open_tensors
from erya.checkpoints.weights import SAFETENSORS_FILE, find_weights
from erya.errors import CheckpointError
from erya.tokenizer.wordpiece import Tokenizer

WORDS = "encoder.embeddings.words.weight"
HEAD_BIAS = "head.bias"
EXTENDED = "vocabulary_extended"


@dataclass(frozen=True, slots=True)
class Grown:
    """What a new vocabulary did to a model.

    Attributes:
        rows_before, rows: rows of the embedding.
        changed: stored tensors with new rows.
        num_parameters: how many parameters the model has more.
    """

    rows_before: int
    rows: int
    changed: tuple[str, ...]
    num_parameters: int


def extend_model(
    source: Path,
    directory: Path,
    *,
    tokenizer: Tokenizer,
    parts: Mapping[int, Sequence[int]],
    provenance: Mapping[str, Any],
) -> Grown:
    """Write `source` with an extended vocabulary into an existing, empty directory.

    The row of a new token is the mean of the rows of its parts, in the embedding, in the bias of the masked
    language head, and in a decoder that is stored beside the embedding. Nothing is drawn at random. All other
    tensors, of any head, are copied as they are; logits of old tokens change nowhere but where a new token
    took a reserved place.

    Args:
        source: a model directory, ours or any Hugging Face BERT's.
        directory: where to write; `erya.files.atomic_directory` makes one that appears when it is whole.
        tokenizer: that of `source`, extended.
        parts: for each new id the old ids whose mean it is.
        provenance: noted in `erya.json`, if `source` has one.
    Raises:
        CheckpointError: `source` is no model directory Erya can open, or its tokenizer does not fit it.
        StorageError: the disk refuses.
    """
    model = read_model(source)
    source = model.path
    require_vocabulary_fits(model.tokenizer, model.encoder_config, where=str(source))
    before = model.encoder_config.vocab_size
    size = max(before, tokenizer.vocab_size)
    plan = model.tensors.plan
    stored = open_tensors(find_weights(source))
    tensors = {name: stored[name].contiguous() for name in stored if not _repeats(name, stored, plan)}
    grown = {}
    for name in _by_token(plan, tensors):
        if len(tensors[name]) != before:
            raise CheckpointError(
                f"{name} has {len(tensors[name])} rows, config.json says {before}", where=str(source)
            )
        grown[name] = grown_rows(tensors[name], size, parts)
    more = sum(grown[name].numel() - tensors[name].numel() for name in grown)
    write_json(directory / CONFIG_FILE, read_json(source / CONFIG_FILE) | {"vocab_size": size})
    _write_info(source, directory, provenance)
    tokenizer.save(directory)
    write_tensors(directory / SAFETENSORS_FILE, tensors | grown)
    return Grown(before, size, tuple(grown), more)


def grown_rows(tensor: Tensor, size: int, parts: Mapping[int, Sequence[int]]) -> Tensor:
    """Give a tensor rows for new tokens.

    Args:
        tensor: a row a token, shape (V, ...), any floating type.
        size: rows wanted, W >= V.
        parts: for each new id, below `size`, the old ids whose mean its row is, all below V.
    Returns:
        Shape (W, ...), of the same type; the means are taken in 32 bits. Rows that are no token's are zero.
    """
    grown = tensor.new_zeros((size, *tensor.shape[1:]))
    grown[: len(tensor)] = tensor
    for id, old in parts.items():
        grown[id] = tensor[list(old)].float().mean(dim=0).to(tensor.dtype)
    return grown


def _by_token(plan: NamePlan, tensors: Mapping[str, Tensor]) -> list[str]:
    """Names of the stored tensors that have a row a token."""
    names = [name for ours in (WORDS, HEAD_BIAS) for name in plan.sources.get(ours, ())]
    names += [repetition for repetition, _ in plan.tied]
    return [name for name in names if name in tensors]


def _repeats(name: str, stored: Mapping[str, Tensor], plan: NamePlan) -> bool:
    """Whether the tensor is stored a second time under this name; what is tied is written once."""
    original = dict(plan.tied).get(name)
    return original is not None and torch.equal(stored[name], stored[original])


def _write_info(source: Path, directory: Path, provenance: Mapping[str, Any]) -> None:
    info = read_info(source)
    if info is None:
        return
    earlier = info.provenance.get(EXTENDED, [])
    known = info.provenance | {EXTENDED: [*earlier, dict(provenance)]}
    write_json(directory / INFO_FILE, info.model_copy(update={"provenance": known}).model_dump(mode="json"))
