"""What the files of a model directory say together. Torch-free, where the weights are safetensors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from erya.bundled import bundled_hint, located
from erya.checkpoints.families.family import Family
from erya.checkpoints.families.options import make_config
from erya.checkpoints.huggingface import CONFIG_FILE, ForeignConfig, parse_config
from erya.checkpoints.info import ModelInfo, TaskName, read_info, read_json
from erya.checkpoints.names import find_heads, modern_name
from erya.checkpoints.recognition import recognise
from erya.checkpoints.sentence_transformers import read_sentence_files
from erya.checkpoints.weights import TensorHeader, find_weights, has_weights, read_headers
from erya.config import validate
from erya.errors import CheckpointError, ConfigError
from erya.models.config import EncoderConfig
from erya.models.positions import Absolute

# Tables of embeddings, with what `config.json` calls their number of rows.
_ROWS = {
    "words": ("vocab_size", "vocab_size"),
    "positions": ("max_positions", "max_position_embeddings"),
    "segments": ("num_segments", "type_vocab_size"),
    "tasks": ("num_tasks", "task_type_vocab_size"),
}
_LAYER = re.compile(r"(?:^|\.)layers?\.(\d+)\.")


def read_configuration(
    directory: Path, *, headers: Mapping[str, TensorHeader] | None = None
) -> tuple[dict[str, Any], ForeignConfig, ModelInfo]:
    """Read `config.json` and `erya.json`; what the latter would say is inferred where there is none.

    The family is found by the tensors, where there are weights, and by the label where there are none.

    Args:
        directory: the model directory.
        headers: of its tensors, if they are known already; empty: whatever weights there are do not count.
    Returns:
        The contents of `config.json`, what they mean, and what the directory says about itself.
    Raises:
        CheckpointError: there is no such directory, a file is missing or damaged, an option is one Erya
            does not have, or the files contradict each other.
    """
    directory = located(directory)
    data = read_config_file(directory)
    if headers is None:
        headers = read_headers(find_weights(directory)) if has_weights(directory) else {}
    foreign = understand(data, headers, directory)
    info = read_info(directory)
    if info is None:
        inferred = infer_info(foreign, where=str(directory / CONFIG_FILE))
        return data, *_with_vectors(foreign, inferred, directory)
    _require_agreement(info, foreign, directory)
    return data, foreign, info


def understand(
    data: Mapping[str, Any], headers: Mapping[str, TensorHeader], directory: Path
) -> ForeignConfig:
    """Find family, sizes and heads.

    Where `config.json` and the tensors contradict each other, the tensors are right about how many rows
    tables of embeddings have, and a note says so. Any other contradiction is an error: a layer that is not
    there would start at random, and what a wider one computes, by how many heads, no shape tells.

    Args:
        data: the contents of `config.json`.
        headers: of the stored tensors by the names they have there; none: only the label is known.
        directory: the model directory; for errors, and looked at for a vocabulary.
    Returns:
        What the configuration says, corrected by the tensors.
    Raises:
        CheckpointError: it is no model Erya can open.
    """
    family, notes = recognise(data, headers, directory)
    foreign = parse_config(data, family=family, where=str(directory / CONFIG_FILE))
    foreign = replace(foreign, notes=(*notes, *foreign.notes))
    if not headers:
        return foreign
    encoder, row_notes = _with_rows(foreign.encoder, family, headers, directory)
    _require_layers(encoder, headers, directory)
    heads, head_notes = _heads(foreign, headers)
    return replace(foreign, encoder=encoder, heads=heads, notes=(*foreign.notes, *row_notes, *head_notes))


def infer_info(foreign: ForeignConfig, *, where: str) -> ModelInfo:
    """What `erya.json` would say."""
    inferred = {
        "task": foreign.task,
        # A classifier with one output judges pairs: a re-ranker.
        "kind": "match" if foreign.task == "classify" and foreign.labels is None else None,
        "labels": foreign.labels,
        "max_length": foreign.encoder.max_positions,
        "classifier_dropout_prob": foreign.classifier_dropout_prob,
        "settings": {"multi_label": True} if foreign.is_multi_label else {},
    }
    try:
        return validate(ModelInfo, inferred, where=where)
    except ConfigError as error:
        raise CheckpointError(error.what, where=error.where, hint=error.hint) from None


def read_config_file(directory: Path) -> dict[str, Any]:
    """The contents of the directory's `config.json`.

    Raises:
        CheckpointError: there is no such directory or file.
    """
    directory = located(directory)
    if not directory.is_dir():
        raise CheckpointError("no such directory", where=str(directory), hint=bundled_hint(directory))
    if not (directory / CONFIG_FILE).is_file():
        raise CheckpointError(
            f"not a model directory: it has no {CONFIG_FILE}",
            where=str(directory),
            hint=_what_it_may_be(directory),
        )
    return read_json(directory / CONFIG_FILE)


def _with_vectors(
    foreign: ForeignConfig, info: ModelInfo, directory: Path
) -> tuple[ForeignConfig, ModelInfo]:
    """What is known of an encoder whose directory says how it makes sentence vectors."""
    if foreign.task is not None:
        return foreign, info
    try:
        settings = read_sentence_files(directory)
    except CheckpointError as error:
        return replace(foreign, notes=(*foreign.notes, error.what)), info
    if settings is None:
        return foreign, info
    longest = min(settings.pop("max_length", info.max_length), info.max_length)
    changes = {"kind": "embed", "settings": settings, "max_length": max(longest, 3)}
    return foreign, info.model_copy(update=changes)


def _what_it_may_be(directory: Path) -> str | None:
    """What to do with a directory that is not a model but has to do with one."""
    if (directory / "bert_config.json").exists():
        return f"this looks like a TensorFlow checkpoint: erya import {directory} --out DIR"
    if (directory / "model" / CONFIG_FILE).is_file():
        return f"this is a run; its model is {directory / 'model'}"
    if (directory / "recipe.yaml").is_file():
        return f"this is a run without a model yet: erya info {directory} says where it stands"
    return None


def _with_rows(
    config: EncoderConfig, family: Family, headers: Mapping[str, TensorHeader], directory: Path
) -> tuple[EncoderConfig, tuple[str, ...]]:
    """The configuration with as many rows of embeddings as there are, and what was corrected."""
    files = {modern_name(name): name for name in headers}
    # Kinds of task may be there although the option is off.
    names = family.tensors(config.model_copy(update={"num_tasks": config.num_tasks or 1}))
    changes, notes = {}, []
    for table, (ours, theirs) in _ROWS.items():
        file = files.get(names.get(f"encoder.embeddings.{table}.weight", ("",))[0])
        if file is None or len(headers[file].shape) != 2:
            continue
        rows, width = headers[file].shape
        if width != config.words_size:
            raise CheckpointError(
                f"{file} is {rows} x {width}, config.json says embeddings of width {config.words_size}",
                where=str(directory),
            )
        kept = (
            config.positions.first if table == "positions" and isinstance(config.positions, Absolute) else 0
        )
        if rows != getattr(config, ours) + kept:
            changes[ours] = rows - kept
            notes.append(
                f"config.json says {theirs} {getattr(config, ours) + kept}, {file} has {rows} rows: the"
                " tensor is right"
            )
    if not changes:
        return config, ()
    return make_config(config.model_dump() | changes, str(directory)), tuple(notes)


def _require_layers(config: EncoderConfig, headers: Mapping[str, TensorHeader], directory: Path) -> None:
    """Numbered layers are as many as the configuration says; groups that repeat have no such numbers."""
    found = {int(layer[1]) for name in headers if (layer := _LAYER.search(modern_name(name)))}
    if found and max(found) + 1 != config.num_layers:
        raise CheckpointError(
            f"config.json says {config.num_layers} layers, the tensors have {max(found) + 1}",
            where=str(directory),
            hint="if a file is missing or cut, get it again; if the tensors are whole, mend config.json",
        )


def _heads(
    foreign: ForeignConfig, headers: Mapping[str, TensorHeader]
) -> tuple[tuple[TaskName, ...], tuple[str, ...]]:
    """The tasks whose heads are there, and a note about those that should be and are not."""
    there = {modern_name(name) for name in headers}
    tables = foreign.family.heads(foreign.encoder)
    wanted = {task: {part for of in tables[task].values() for part in of} for task in foreign.tasks}
    absent = tuple(task for task, names in wanted.items() if not names & there)
    said = tuple(task for task in foreign.tasks if task not in absent)
    notes = tuple(f"config.json promises a head for {task}, no tensor of it is there" for task in absent)
    return find_heads(headers, foreign.family, foreign.encoder, said), notes


def _require_agreement(info: ModelInfo, foreign: ForeignConfig, directory: Path) -> None:
    """`erya.json` and `config.json` say some things twice: a hand that edited one is noticed."""
    if info.task != foreign.task or info.labels != foreign.labels:
        raise CheckpointError(
            "erya.json and config.json do not agree on task or labels", where=str(directory)
        )
    if info.max_length > foreign.encoder.max_positions:
        raise CheckpointError(
            f"erya.json says max_length {info.max_length}, the model has {foreign.encoder.max_positions}"
            " positions",
            where=str(directory),
        )
