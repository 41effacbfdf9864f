"""What the configuration files of a model directory say together. Torch-free: no weights are looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from erya.checkpoints.huggingface import CONFIG_FILE, ForeignConfig, parse_config
from erya.checkpoints.info import ModelInfo, read_info, read_json
from erya.config import validate
from erya.errors import CheckpointError, ConfigError


def read_configuration(directory: Path) -> tuple[dict[str, Any], ForeignConfig, ModelInfo]:
    """Read `config.json` and `erya.json`; what the latter would say is inferred where there is none.

    Returns:
        The contents of `config.json`, what they mean, and what the directory says about itself.
    Raises:
        CheckpointError: there is no such directory, a file is missing or damaged, an option is one Erya
            does not have, or the two files contradict each other.
    """
    data = _read_config_file(directory)
    foreign = parse_config(data, where=str(directory / CONFIG_FILE))
    info = read_info(directory)
    if info is None:
        return data, foreign, _infer_info(foreign, where=str(directory / CONFIG_FILE))
    _require_agreement(info, foreign, directory)
    return data, foreign, info


def _read_config_file(directory: Path) -> dict[str, Any]:
    """The contents of the directory's `config.json`.

    Raises:
        CheckpointError: there is no such directory or file.
    """
    if not directory.is_dir():
        raise CheckpointError("no such directory", where=str(directory))
    if not (directory / CONFIG_FILE).is_file():
        old = directory / "bert_config.json"
        raise CheckpointError(
            f"not a model directory: it has no {CONFIG_FILE}",
            where=str(directory),
            hint="TensorFlow checkpoints are not read: convert it to a Hugging Face directory first"
            if old.exists()
            else None,
        )
    return read_json(directory / CONFIG_FILE)


def _infer_info(foreign: ForeignConfig, *, where: str) -> ModelInfo:
    inferred = {
        "task": foreign.task,
        "labels": foreign.labels,
        "max_length": foreign.encoder.max_positions,
        "classifier_dropout_prob": foreign.classifier_dropout_prob,
    }
    try:
        return validate(ModelInfo, inferred, where=where)
    except ConfigError as error:
        raise CheckpointError(error.what, where=error.where, hint=error.hint) from None


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
