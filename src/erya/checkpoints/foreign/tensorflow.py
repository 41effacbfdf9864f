"""A TensorFlow checkpoint as a model: which family, which names, which configuration."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from erya.checkpoints.foreign.checkpoint import ForeignCheckpoint
from erya.checkpoints.foreign.configs import build_config, find_config, find_vocabulary, read_config
from erya.checkpoints.foreign.google_tf import TensorFlowCheckpoint
from erya.checkpoints.foreign.names_tf import (
    Part,
    TensorFlowFamily,
    add_module,
    count_layers,
    is_training_state,
    share_embeddings,
    tensorflow_table,
)
from erya.checkpoints.foreign.renaming import RenamedArrays, Shape
from erya.errors import CheckpointError

NO_CONFIG = "there is no configuration file beside the weights: sizes are those of the tensors"
_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_SCOPES: Mapping[Part, str] = {"discriminator": "electra", "generator": "generator"}
_ASIDE: Mapping[Part, tuple[str, ...]] = {
    "discriminator": ("generator/", "generator_predictions/"),
    "generator": ("electra/", "discriminator_predictions/"),
}
_CONFIGS = ("bert_config.json", "albert_config*.json", "*bert_config*.json", "config.json")


def open_tensorflow(prefix: Path, *, part: Part | None = None) -> ForeignCheckpoint:
    """A checkpoint of Google's BERT, ALBERT or ELECTRA, or in their manner, for reading.

    Args:
        prefix: the path without `.index`.
        part: which of ELECTRA's two encoders; None: the discriminator, if it is there.
    Raises:
        CheckpointError: a file is damaged or missing, or the variables are those of no family that is read.
    """
    stored = TensorFlowCheckpoint(prefix)
    where = str(stored.index)
    if _OBJECT_GRAPH in stored:
        raise CheckpointError(
            "the checkpoint was written by tf.keras and names its tensors by objects, not by variables",
            where=where,
            hint="write it again with bert4keras's save_weights_as_checkpoint, or as a file that ends in .h5",
        )
    names = [name for name in stored.shapes if not is_training_state(name)]
    chosen = _choose_part(names, part, where)
    found = find_config(prefix.parent, _config_names(chosen))
    said = read_config(found) if found else {}
    notes = [] if found else [NO_CONFIG]
    if num_training := len(stored) - len(names):
        notes.append(f"{num_training} variables of the training (optimiser, counters) are left out")
    return rename_variables(
        stored,
        {name: stored.shapes[name] for name in names},
        family=recognise(names, said, where),
        said=said,
        part=chosen,
        kind="TensorFlow checkpoint",
        files=(stored.index, *stored.files, *([found] if found else [])),
        notes=tuple(notes),
    )


def rename_variables(
    stored: Mapping[str, np.ndarray],
    shapes: Mapping[str, Shape],
    *,
    family: TensorFlowFamily,
    said: Mapping[str, Any],
    part: Part | None,
    kind: str,
    files: tuple[Path, ...],
    notes: tuple[str, ...],
) -> ForeignCheckpoint:
    """Variables under Google's names as a checkpoint under Hugging Face's.

    Args:
        stored: arrays by Google's names.
        shapes: of those that belong to the model.
        family: of the model.
        said: what the configuration file says.
        part: which of ELECTRA's encoders; None in other families.
        kind: the format in words.
        files: what was opened; the first is named in errors, the vocabulary lies beside it.
        notes: what is known already.
    """
    layers = count_layers(shapes, scope=_SCOPES[part] if part else "bert")
    table = tensorflow_table(family, layers, part=part or "discriminator")
    tensors = RenamedArrays(stored, shapes, add_module(share_embeddings(table, shapes), shapes))
    config, more = build_config(family, tensors.shapes, said, where=str(files[-1]))
    leftover = tuple(name for name in shapes if name not in tensors.sources)
    aside, why = _set_aside(family, part, leftover)
    return ForeignCheckpoint(
        kind=kind,
        files=files,
        config=config,
        tensors=tensors,
        shapes=tensors.shapes,
        notes=(*notes, *more, *why),
        vocab=find_vocabulary(files[0].parent),
        leftover=tuple(name for name in leftover if name not in aside),
    )


def recognise(names: Collection[str], said: Mapping[str, Any], where: str) -> TensorFlowFamily:
    """The family that variables belong to.

    Args:
        names: of the variables.
        said: what the configuration file says: it settles what names leave open.
        where: the file, for errors.
    Raises:
        CheckpointError: they belong to none, or two families have such names and the file does not say which.
    """
    if any(has_scope(names, scope) for scope in _SCOPES.values()):
        return "electra"
    if has_scope(names, "bert/encoder/transformer/group_0"):
        return "albert"
    if not has_scope(names, "bert/encoder/layer_0"):
        scopes = ", ".join(sorted({name.split("/")[0] for name in names})[:8])
        raise CheckpointError(
            f"the variables are those of no family that is read here; their names begin with {scopes}",
            where=where,
            hint="read are BERT (bert/...), ALBERT (bert/encoder/transformer/...) and ELECTRA (electra/...)",
        )
    if any(name.endswith("bert/embeddings/position_embeddings") for name in names):
        return "bert"
    return _without_positions(said, where)


def has_scope(names: Collection[str], scope: str) -> bool:
    """Whether there are variables below `scope`."""
    return any(name.removeprefix("module/").startswith(scope + "/") for name in names)


def _without_positions(said: Mapping[str, Any], where: str) -> TensorFlowFamily:
    """RoFormer and NEZHA share BERT's names and have no table of positions: the configuration decides."""
    if said.get("model_type") == "roformer":
        return "roformer"
    if said.get("model_type") == "nezha" or said.get("use_relative_position"):
        return "nezha"
    raise CheckpointError(
        "there is no table of positions: this is a RoFormer or a NEZHA, whose variables have the same names",
        where=where,
        hint='add "model_type": "roformer" or "model_type": "nezha" to the configuration beside it',
    )


def _choose_part(names: Collection[str], part: Part | None, where: str) -> Part | None:
    """Which of ELECTRA's encoders to read; None if this is no ELECTRA."""
    there = [each for each, scope in _SCOPES.items() if has_scope(names, f"{scope}/encoder")]
    if part is not None and part not in there:
        holds = f"ELECTRA's {there[0]} alone" if there else "no ELECTRA"
        raise CheckpointError(f"there is no {part} to read: the checkpoint holds {holds}", where=where)
    return part or (there[0] if there else None)


def _config_names(part: Part | None) -> tuple[str, ...]:
    """Where to look for the configuration, best first."""
    if part is None:
        return _CONFIGS
    return (f"{part}_config.json", f"*{part}*config*.json", "electra_config*.json", "config.json")


def _set_aside(
    family: TensorFlowFamily, part: Part | None, leftover: tuple[str, ...]
) -> tuple[frozenset[str], tuple[str, ...]]:
    """What of the rest is known and has no place, and a note on it."""
    beginnings = _ASIDE[part] if part else ("bert/pooler/",) if family == "roformer" else ()
    aside = frozenset(name for name in leftover if beginnings and name.startswith(beginnings))
    if part:
        other = "generator" if part == "discriminator" else "discriminator"
        return aside, (f"this is ELECTRA's {part}" + (f"; its {other} is left out" if aside else ""),)
    return aside, ("the pooler is left out: Hugging Face's RoFormer has none",) if aside else ()
