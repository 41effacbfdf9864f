"""How the names in a weight file map to ours, by a family's tables. Torch-free.

A name of ours stands for one tensor of theirs, or for several that are concatenated on dimension 0 (the fused
query, key and value). Nothing here knows what a tensor is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from erya.checkpoints.families.family import ENCODER_PREFIX, HEAD_PREFIXES, Family, Table
from erya.checkpoints.families.table import FAMILIES
from erya.checkpoints.info import TaskName
from erya.models.config import EncoderConfig

# Some files have a family's names with another's prefix, or all of them below that of a wrapper.
_WRAPPER = "module."
_PREFIXES = tuple(dict.fromkeys(family.prefix for family in FAMILIES.values()))
_OLD_ENDINGS = {".LayerNorm.gamma": ".LayerNorm.weight", ".LayerNorm.beta": ".LayerNorm.bias"}


@dataclass(frozen=True)
class NamePlan:
    """How the names in a file map to ours.

    Attributes:
        sources: for each of our names the file's names, to be concatenated on dimension 0.
        tied: (repetition, original) pairs of the file's names that must hold equal values.
        derived: for what we compute, by its name in the family's table, the file's name.
        incomplete: our names some part of which is missing, with the missing Hugging Face names.
        unused: the file's names that belong to heads nobody asked for, or that Erya does not have.
        unknown: the file's names nobody knows.
    """

    sources: dict[str, tuple[str, ...]]
    tied: tuple[tuple[str, str], ...]
    derived: dict[str, str]
    incomplete: dict[str, tuple[str, ...]]
    unused: tuple[str, ...]
    unknown: tuple[str, ...]


def modern_name(name: str) -> str:
    """A file's name without a prefix and with today's names for a norm's parameters."""
    name = name.removeprefix(_WRAPPER)
    prefix = next((prefix for prefix in _PREFIXES if name.startswith(prefix)), "")
    name = name.removeprefix(prefix)
    old = next((old for old in _OLD_ENDINGS if name.endswith(old)), None)
    return name if old is None else name.removesuffix(old) + _OLD_ENDINGS[old]


def prefix_of(name: str) -> str:
    """The prefix a file's name has; "" for none that a family uses."""
    name = name.removeprefix(_WRAPPER)
    return next((prefix for prefix in _PREFIXES if name.startswith(prefix)), "")


def find_heads(
    names: Iterable[str], family: Family, config: EncoderConfig, said: tuple[TaskName, ...]
) -> tuple[TaskName, ...]:
    """Which tasks' heads a file holds: those its class has, and others that cannot be mistaken.

    Args:
        names: in the file.
        family: whose tables to look in.
        config: of the encoder.
        said: the tasks of the class the file was saved as.
    Returns:
        The tasks said, then others whose tensors are all there, some of them under names of no other task.
    """
    there = _untied({modern_name(name) for name in names}, family.tied)
    heads = {
        task: {part for of in table.values() for part in of} for task, table in family.heads(config).items()
    }
    found = list(said)
    for task, wanted in heads.items():
        others = set().union(*(heads[other] for other in heads if other != task))
        if task not in said and wanted <= there and wanted - others:
            found.append(task)
    return tuple(found)


def plan_names(
    names: Iterable[str], family: Family, config: EncoderConfig, tasks: tuple[TaskName, ...]
) -> NamePlan:
    """Map the names of a file, with or without a family's prefix, to ours.

    Args:
        names: in the file.
        family: whose tables hold.
        config: of the encoder.
        tasks: whose heads the file holds.
    """
    table = family.table(config, tasks)
    known = {theirs for of in table.values() for theirs in of}
    derived_names = family.derived(config)
    files: dict[str, str] = {}
    derived: dict[str, str] = {}
    unused, unknown = [], []
    others = _other_names(family, config) - known
    for name in names:
        modern = modern_name(name)
        if modern in derived_names:
            derived[modern] = name
        elif modern in files:
            unknown.append(name)
        elif modern in known or (modern in family.tied and family.tied[modern] in known):
            files[modern] = name
        elif modern in others or modern.startswith(family.other_heads):
            unused.append(name)
        elif not any(re.fullmatch(pattern, modern) for pattern in family.ignored):
            unknown.append(name)
    tied = _take_tied(files, family.tied)
    sources, incomplete = _gather(files, table)
    return NamePlan(sources, tied, derived, incomplete, tuple(unused), tuple(unknown))


def written_names(family: Family, config: EncoderConfig, tasks: tuple[TaskName, ...]) -> Table:
    """The names under which a model with the heads of `tasks` is saved; an encoder alone has no prefix."""
    prefix = family.prefix if tasks else ""
    table = {ours: tuple(prefix + theirs for theirs in of) for ours, of in family.tensors(config).items()}
    heads = family.heads(config)
    return table | {ours: of for task in tasks for ours, of in heads[task].items()}


def tasks_of(names: Collection[str]) -> tuple[TaskName, ...]:
    """Which tasks' heads are among names of ours."""
    return tuple(
        task for task, prefix in HEAD_PREFIXES.items() if any(name.startswith(prefix) for name in names)
    )


def part_of(name: str) -> str:
    """The part a tensor of ours belongs to: `encoder.blocks`, `encoder.pooler`, `head`, `classifier`."""
    return ".".join(name.split(".")[: 2 if name.startswith(ENCODER_PREFIX) else 1])


def _other_names(family: Family, config: EncoderConfig) -> set[str]:
    """All names of the family's heads, and what is stored again beside them."""
    heads = family.heads(config).values()
    own = {theirs for table in heads for of in table.values() for theirs in of}
    own |= {theirs for ours, of in family.tensors(config).items() if ".pooler." in ours for theirs in of}
    return own | set(family.tied)


def _untied(names: set[str], tied: Mapping[str, str]) -> set[str]:
    """Names, and those that they repeat."""
    return names | {tied[name] for name in names if name in tied}


def _take_tied(files: dict[str, str], tied: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Remove repetitions from `files`; one whose original is absent takes the original's place."""
    pairs = []
    for repetition, original in tied.items():
        if repetition not in files:
            continue
        name = files.pop(repetition)
        if original in files:
            pairs.append((name, files[original]))
        else:
            files[original] = name
    return tuple(pairs)


def _gather(
    files: Mapping[str, str], table: Table
) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """The parts of each of our names in order, and of those with only some part there what is missing."""
    sources, incomplete = {}, {}
    for ours, parts in table.items():
        missing = tuple(part for part in parts if part not in files)
        if not missing:
            sources[ours] = tuple(files[part] for part in parts)
        elif len(missing) < len(parts):
            incomplete[ours] = missing
    return sources, incomplete
