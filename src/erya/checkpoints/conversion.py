"""Somebody's weights, in whatever format, as a model directory; a model directory for other programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from erya import __version__
from erya.bundled import located
from erya.checkpoints.adoption import Adopted, adopt_tokenizer, no_vocabulary
from erya.checkpoints.configuration import read_config_file
from erya.checkpoints.directory import ModelDirectory, make_head, open_tensors_as_model, read_model
from erya.checkpoints.families.family import Family
from erya.checkpoints.families.table import FAMILIES
from erya.checkpoints.foreign.names_tf import Part
from erya.checkpoints.foreign.opening import find_foreign, open_foreign
from erya.checkpoints.huggingface import CONFIG_FILE, render_config
from erya.checkpoints.info import INFO_FILE, LABELLED, ModelInfo, TaskName, read_json, write_json
from erya.checkpoints.loading import load_tensors
from erya.checkpoints.saving import (
    foreign_tensors,
    named_tensors,
    unused_fields,
    write_tensors,
    write_tokenizer,
)
from erya.checkpoints.weights import PICKLED_FILE, SAFETENSORS_FILE, find_weights, has_weights
from erya.errors import CheckpointError, ConfigError
from erya.files import atomic_directory, require_free, sha256_of
from erya.models.encoder import Encoder
from erya.tokenizer.any_tokenizer import AnyTokenizer
from erya.tokenizer.directory import CONFIG as TOKENIZER_CONFIG

# (what is being done, how much is done, how much there is, bytes so far).
OnProgress = Callable[[str, int, int, int], None]
HUGGING_FACE = "Hugging Face directory"
IMPORTED = "imported"
# Families that `transformers` had once, or never.
NOT_IN_TRANSFORMERS = ("nezha",)
_HALVES = (torch.float16, torch.bfloat16)


@dataclass(frozen=True, slots=True)
class Source:
    """An open checkpoint, whatever its format.

    Attributes:
        kind: the format in words.
        folder: where it lies.
        files: weights and configuration.
        model: the weights by our names.
        family_by: what tells the family.
        vocabulary: the vocabulary beside it; None: none was found, or the folder has tokenizer files.
        leftover: names in the files that no table knows.
        notes: what a user should know, a sentence each.
    """

    kind: str
    folder: Path
    files: tuple[Path, ...]
    model: ModelDirectory
    family_by: str
    vocabulary: Path | None
    leftover: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Conversion:
    """What was written.

    Attributes:
        kind: the format that was read.
        family: of the model; `family_by` is what tells it.
        saved_as: the class of `transformers` that has these heads.
        heads: the tasks whose heads were written.
        left_out: tensors that were not, a phrase each.
        casing: whether case is kept, and who says so.
        notes: what a user should know, a sentence each.
        sha256: of the files that were read, by name.
    """

    kind: str
    family: str
    family_by: str
    saved_as: str
    heads: tuple[TaskName, ...]
    left_out: tuple[str, ...]
    casing: str
    notes: tuple[str, ...]
    sha256: Mapping[str, str]


def _silent(phase: str, done: int, total: int, num_bytes: int) -> None:
    pass


def import_model(
    path: Path,
    out: Path,
    *,
    vocabulary: Path | None = None,
    lowercase: bool | None = None,
    part: Part | None = None,
    replace: bool = False,
    on_progress: OnProgress = _silent,
) -> Conversion:
    """Write a model directory of somebody's weights, whole or not at all.

    Args:
        path: a Hugging Face directory, or what `open_foreign` opens.
        out: the directory to write.
        vocabulary: a list of pieces or a directory with tokenizer files; None: what lies beside the weights.
        lowercase: whether texts are lower-cased; None: as files or vocabulary say.
        part: which of the two encoders of an ELECTRA that TensorFlow saved.
        replace: whether `out` may be replaced if it is a directory of ours.
        on_progress: told how far it is.
    Raises:
        CheckpointError: the weights are damaged, not whole, or no family's; the vocabulary is another's.
        InputError: there is no vocabulary.
        StorageError: `out` exists, or the disk refuses.
    """
    if out.resolve() == path.resolve():
        raise ConfigError("OUT is the checkpoint itself, which is not touched", hint="choose another --out")
    require_free(out, replace=replace, marker=INFO_FILE)
    source = open_source(path, part=part, on_progress=on_progress)
    adopted = _adopt(source, vocabulary, lowercase)
    sha256 = _checksums((*source.files, *adopted.files), on_progress)
    conversion, module, info = _convert(source, adopted, sha256)
    with atomic_directory(out, replace=replace, marker=INFO_FILE) as aside:
        on_progress("writing", 0, 1, 0)
        _write_model(aside, module, adopted.tokenizer, info, conversion.saved_as)
        write_json(aside / INFO_FILE, info.model_dump(mode="json"))
        on_progress("writing", 1, 1, (aside / SAFETENSORS_FILE).stat().st_size)
    return conversion


def export_model(directory: Path, out: Path, *, replace: bool = False) -> Conversion:
    """Write a model directory for `transformers`: its files alone, nothing of ours.

    Args:
        directory: ours, or any Hugging Face directory of a family Erya has.
        out: the directory to write.
        replace: whether `out` may be replaced if it holds a model.
    Raises:
        CheckpointError: the directory is no model, or `transformers` has no such family.
        StorageError: `out` exists, or the disk refuses.
    """
    if out.resolve() == directory.resolve():
        raise ConfigError("OUT is the model itself, which is not touched", hint="choose another --out")
    require_free(out, replace=replace, marker=CONFIG_FILE)
    source = _open_hugging_face(directory)
    family = source.model.encoder_config.family
    if family in NOT_IN_TRANSFORMERS:
        raise CheckpointError(
            f"transformers has no {FAMILIES[family].class_prefix} models: nothing would open the result",
            where=str(directory),
            hint="the directory as it is opens in Erya, and its files are laid out as Hugging Face's",
        )
    tokenizer = source.model.tokenizer
    casing = "folded to lower case" if tokenizer.lowercase else "kept"
    adopted = Adopted(tokenizer, casing, tokenizer.notes, ())
    conversion, module, info = _convert(source, adopted, {})
    with atomic_directory(out, replace=replace, marker=CONFIG_FILE) as aside:
        _write_model(aside, module, tokenizer, info, conversion.saved_as)
        _say_limit(aside, info.max_length)
    return conversion


def open_source(path: Path, *, part: Part | None = None, on_progress: OnProgress = _silent) -> Source:
    """Open somebody's weights, in whatever format; see `import_model`."""
    path = Path(path) if Path(path).is_file() else located(Path(path))
    if find_foreign(path) is not None:
        return _open_foreign(path, part, on_progress)
    # Somebody may name the file instead of its directory.
    if path.is_file() and path.name.startswith((SAFETENSORS_FILE, PICKLED_FILE)):
        path = path.parent if (path.parent / CONFIG_FILE).is_file() else path
    if not path.is_dir() or not ((path / CONFIG_FILE).is_file() or has_weights(path)):
        raise _no_checkpoint(path)
    if part is not None:
        raise CheckpointError(
            f"there is no {part} to choose: only ELECTRA's TensorFlow checkpoints hold two",
            where=str(path),
            hint="leave out --part",
        )
    return _open_hugging_face(path)


def _no_checkpoint(path: Path) -> CheckpointError:
    """The error for a path at which nothing is that Erya reads."""
    try:
        open_foreign(path)
    except CheckpointError as error:
        hint = f"{error.hint}; or a Hugging Face directory, which has a {CONFIG_FILE}"
        return CheckpointError(error.what, where=error.where, hint=hint)
    raise AssertionError("what opens was found before")


def _open_foreign(path: Path, part: Part | None, on_progress: OnProgress) -> Source:
    opened = open_foreign(path, part=part)
    stored: dict[str, Tensor] = {}
    num_bytes = 0
    for name in opened.tensors:
        array = np.ascontiguousarray(opened.tensors[name])
        stored[name] = torch.from_numpy(array if array.flags.writeable else array.copy())
        num_bytes += array.nbytes
        on_progress("reading", len(stored), len(opened.shapes), num_bytes)
    folder = opened.files[0].parent
    model = open_tensors_as_model(opened.config, stored, folder)
    return Source(
        kind=opened.kind,
        folder=folder,
        files=opened.files,
        model=model,
        family_by="the names of its tensors",
        vocabulary=opened.vocab,
        leftover=opened.leftover,
        notes=(*opened.notes, *model.notes),
    )


def _open_hugging_face(path: Path) -> Source:
    model = read_model(path)
    label = read_config_file(path).get("model_type")
    family = model.encoder_config.family
    agrees = "config.json and the names of its tensors"
    said = {family: agrees, None: "the names of its tensors; config.json names no family"}
    return Source(
        kind=HUGGING_FACE,
        folder=path,
        files=(*find_weights(path).paths, path / CONFIG_FILE),
        model=model,
        family_by=said.get(label, f"the names of its tensors; config.json says {label}"),
        vocabulary=None,
        leftover=(),
        notes=model.notes,
    )


def _adopt(source: Source, vocabulary: Path | None, lowercase: bool | None) -> Adopted:
    foreign = source.kind != HUGGING_FACE
    if vocabulary is None and foreign and source.vocabulary is None:
        raise no_vocabulary(source.folder)
    return adopt_tokenizer(
        source.folder,
        vocabulary=vocabulary or source.vocabulary,
        lowercase=lowercase,
        rows=source.model.encoder_config.vocab_size,
        exact=foreign or vocabulary is not None,
    )


def _checksums(paths: Iterable[Path], on_progress: OnProgress) -> dict[str, str]:
    there = tuple(dict.fromkeys(path for path in paths if path.is_file()))
    sizes = [path.stat().st_size for path in there]
    sums = {}
    for number, path in enumerate(there):
        on_progress("checksums", sum(sizes[:number]), sum(sizes), sum(sizes[:number]))
        sums[path.name] = sha256_of(path)
    return sums


def _convert(
    source: Source, adopted: Adopted, sha256: Mapping[str, str]
) -> tuple[Conversion, nn.Module, ModelInfo]:
    """The module with the heads that one class can hold, what is known of it, and what was done."""
    model = source.model
    family = FAMILIES[model.encoder_config.family]
    heads, notes = _usable_heads(model)
    suffix, tasks = _class_for(family, heads, model.info)
    module = _assemble(model, tasks)
    conversion = Conversion(
        kind=source.kind,
        family=family.name,
        family_by=source.family_by,
        saved_as=family.class_prefix + suffix,
        heads=tasks,
        left_out=_left_out(source, module, tasks),
        casing=adopted.casing,
        notes=tuple(dict.fromkeys((*source.notes, *notes, *adopted.notes))),
        sha256=sha256,
    )
    task = tasks[0] if tasks else None
    provenance: dict[str, Any] = {
        "source": source.folder.resolve().name,
        "format": source.kind,
        "sha256": dict(sha256),
        "left_out": list(conversion.left_out),
        "case": adopted.casing,
        "notes": list(conversion.notes),
        "erya": __version__,
    }
    if IMPORTED in model.info.provenance:
        provenance["before"] = model.info.provenance[IMPORTED]
    info = ModelInfo(
        task=task,
        labels=model.info.labels if task in LABELLED else None,
        max_length=model.info.max_length,
        tokenizer_mode=adopted.tokenizer.mode,
        classifier_dropout_prob=model.info.classifier_dropout_prob,
        provenance={**model.info.provenance, IMPORTED: provenance},
    )
    return conversion, module, info


def _usable_heads(model: ModelDirectory) -> tuple[tuple[TaskName, ...], tuple[str, ...]]:
    """The heads that Erya computes as they were, and a note on one it would not."""
    if "masked_lm" not in model.heads:
        return model.heads, ()
    try:
        model.tensors.require_tied(where=str(model.path))
    except CheckpointError as error:
        left = tuple(task for task in model.heads if task != "masked_lm")
        return left, (f"the masked-language head is left out: {error.what}",)
    return model.heads, ()


def _class_for(
    family: Family, heads: tuple[TaskName, ...], info: ModelInfo
) -> tuple[str, tuple[TaskName, ...]]:
    """The class that holds most of the heads, that of the model's own task among them."""
    known = {task for task in heads if task not in LABELLED or info.labels is not None}
    fitting = [(suffix, tasks) for suffix, tasks in family.classes.items() if known.issuperset(tasks)]
    return max(fitting, key=lambda entry: (info.task in entry[1], len(entry[1])))


def _assemble(model: ModelDirectory, tasks: tuple[TaskName, ...]) -> nn.Module:
    """One encoder with the heads of several tasks, with the values of the model in its number format."""
    heads = [make_head(task, model.encoder_config, model.info) for task in tasks]
    needs_pooler = any(head.get_submodule("encoder").pooler is not None for head in heads)
    module: nn.Module
    encoder = Encoder(model.encoder_config, pooler=needs_pooler if heads else model.has_pooler)
    prefix = ""
    if heads:
        module = nn.Module()
        module.add_module("encoder", encoder)
        for head in heads:
            for name, child in head.named_children():
                if name != "encoder":
                    module.add_module(name, child)
    else:
        module, prefix = encoder, "encoder."
    module.to(_number_format(model))
    load_tensors(module, model.tensors, where=str(model.path), prefix=prefix)
    return module.eval()


def _number_format(model: ModelDirectory) -> torch.dtype:
    """The stored one if it is one half-precision format throughout and meant to be computed with."""
    config = read_config_file(model.path) if (model.path / CONFIG_FILE).is_file() else {}
    if config.get("dtype", config.get("torch_dtype")) == "float32":
        return torch.float32
    found: torch.dtype | None = None
    for name in model.tensors:
        dtype = model.tensors[name].dtype
        if dtype not in _HALVES or found not in (None, dtype):
            return torch.float32
        found = dtype
    return found or torch.float32


def _left_out(source: Source, module: nn.Module, tasks: tuple[TaskName, ...]) -> tuple[str, ...]:
    plan = source.model.tensors.plan
    written = named_tensors(module)
    ours = [part for name, parts in plan.sources.items() if name not in written for part in parts]
    lost = [*ours, *plan.unused, *source.leftover]
    heads = [task for task in source.model.heads if task not in tasks]
    return (*(f"the head for {task}" for task in heads), *lost)


def _write_model(
    directory: Path, module: nn.Module, tokenizer: AnyTokenizer, info: ModelInfo, saved_as: str
) -> None:
    values = named_tensors(module)
    encoder = module if isinstance(module, Encoder) else module.get_submodule("encoder")
    assert isinstance(encoder, Encoder)
    entries = render_config(encoder.config, info, unused=unused_fields(values), where=str(directory))
    # A class with several heads is no single task's.
    entries["architectures"] = [saved_as]
    write_json(directory / CONFIG_FILE, entries)
    write_tokenizer(tokenizer, encoder.config, directory)
    write_tensors(directory / SAFETENSORS_FILE, foreign_tensors(module))


def _say_limit(directory: Path, max_length: int) -> None:
    """Tell the tokenizers of `transformers` where texts must be cut, unless they know."""
    path = directory / TOKENIZER_CONFIG
    entries: dict[str, Any] = read_json(path) if path.is_file() else {}
    write_json(path, {"model_max_length": max_length} | entries)
