"""The reversible table of tensor names: ours on the left, Hugging Face BERT's on the right.

A name of ours stands for one tensor of theirs, or for several that are concatenated on dimension 0
(the fused query, key and value). `{i}` is the layer. Nothing here knows what a tensor is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_WEIGHT_AND_BIAS = ("weight", "bias")

# (ours, theirs) of an encoder's parts, without the ending `.weight` or `.bias` both sides share.
_ENCODER_PARTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("embeddings.norm", ("embeddings.LayerNorm",)),
    (
        "blocks.{i}.attention.qkv",
        tuple(f"encoder.layer.{{i}}.attention.self.{part}" for part in ("query", "key", "value")),
    ),
    ("blocks.{i}.attention.output", ("encoder.layer.{i}.attention.output.dense",)),
    ("blocks.{i}.attention_norm", ("encoder.layer.{i}.attention.output.LayerNorm",)),
    ("blocks.{i}.feedforward.up", ("encoder.layer.{i}.intermediate.dense",)),
    ("blocks.{i}.feedforward.down", ("encoder.layer.{i}.output.dense",)),
    ("blocks.{i}.feedforward_norm", ("encoder.layer.{i}.output.LayerNorm",)),
    ("pooler.dense", ("pooler.dense",)),
)
_ENCODER_TENSORS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("embeddings.words.weight", ("embeddings.word_embeddings.weight",)),
    ("embeddings.positions.weight", ("embeddings.position_embeddings.weight",)),
    ("embeddings.segments.weight", ("embeddings.token_type_embeddings.weight",)),
    *(
        (f"{ours}.{ending}", tuple(f"{part}.{ending}" for part in theirs))
        for ours, theirs in _ENCODER_PARTS
        for ending in _WEIGHT_AND_BIAS
    ),
)
_HEAD_TENSORS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("head.dense.weight", ("cls.predictions.transform.dense.weight",)),
    ("head.dense.bias", ("cls.predictions.transform.dense.bias",)),
    ("head.norm.weight", ("cls.predictions.transform.LayerNorm.weight",)),
    ("head.norm.bias", ("cls.predictions.transform.LayerNorm.bias",)),
    ("head.bias", ("cls.predictions.bias",)),
    ("classifier.weight", ("classifier.weight",)),
    ("classifier.bias", ("classifier.bias",)),
)
ENCODER_PREFIX = "encoder."
FOREIGN_PREFIX = "bert."
_TO_FOREIGN = {ENCODER_PREFIX + ours: theirs for ours, theirs in _ENCODER_TENSORS} | dict(_HEAD_TENSORS)
_FROM_FOREIGN = {
    foreign: (ours, part) for ours, theirs in _TO_FOREIGN.items() for part, foreign in enumerate(theirs)
}

# The same values under a second name: what old files repeat because the decoder is tied to the embeddings.
TIED = {
    "cls.predictions.decoder.weight": "embeddings.word_embeddings.weight",
    "cls.predictions.decoder.bias": "cls.predictions.bias",
}
# Counters that old versions stored: 0, 1, 2, ...; nothing is lost without them.
_COUNTERS = ("embeddings.position_ids", "embeddings.token_type_ids")
# Heads of tasks this file may have been saved for besides ours: named in the report, not loaded.
_OTHER_HEADS = ("cls.seq_relationship.", "qa_outputs.")
_LAYER = re.compile(r"\.(\d+)\.")


@dataclass(frozen=True)
class NamePlan:
    """How the names in a file map to ours.

    Attributes:
        sources: for each of our names the file's names, to be concatenated on dimension 0.
        tied: (repetition, original) pairs of the file's names that must hold equal values.
        incomplete: our names some part of which is missing, with the missing Hugging Face names.
        unused: the file's names that belong to heads Erya does not have.
        unknown: the file's names nobody knows.
    """

    sources: dict[str, tuple[str, ...]]
    tied: tuple[tuple[str, str], ...]
    incomplete: dict[str, tuple[str, ...]]
    unused: tuple[str, ...]
    unknown: tuple[str, ...]


def foreign_names(name: str) -> tuple[str, ...]:
    """The Hugging Face names one of ours stands for, in the order they are concatenated.

    Args:
        name: our name, in the space of a whole model: `encoder.*`, `head.*` or `classifier.*`.
    Returns:
        Names as a bare `BertModel` has them (`embeddings.*`) and, for heads, a `BertFor...`'s.
    Raises:
        KeyError: the table has no such name.
    """
    template, layer = _split_layer(name)
    return tuple(foreign.replace("{i}", layer) for foreign in _TO_FOREIGN[template])


def write_names(name: str, *, bare: bool) -> tuple[str, ...]:
    """The names under which one of our tensors is saved.

    Args:
        name: our name, in the space of a whole model.
        bare: whether the encoder is saved alone (`BertModel`: no prefix) or under a head (`bert.`).
    """
    prefix = FOREIGN_PREFIX if name.startswith(ENCODER_PREFIX) and not bare else ""
    return tuple(prefix + foreign for foreign in foreign_names(name))


def plan_names(names: Iterable[str]) -> NamePlan:
    """Map the names of a Hugging Face BERT file, with or without the prefix `bert.`, to ours."""
    files: dict[str, str] = {}
    unused, unknown = [], []
    for name in names:
        modern = _modern(name)
        if modern in _COUNTERS:
            continue
        if modern.startswith(_OTHER_HEADS):
            unused.append(name)
        elif modern in files or (modern not in TIED and _lookup(modern) is None):
            unknown.append(name)
        else:
            files[modern] = name
    tied = _take_tied(files)
    sources, incomplete = _gather(files)
    return NamePlan(sources, tied, incomplete, tuple(unused), tuple(unknown))


def _modern(name: str) -> str:
    """A file's name without the prefix `bert.` and with today's names for a norm's parameters."""
    name = name.removeprefix(FOREIGN_PREFIX)
    if name.endswith(".LayerNorm.gamma"):
        return name.removesuffix("gamma") + "weight"
    return name.removesuffix("beta") + "bias" if name.endswith(".LayerNorm.beta") else name


def _split_layer(name: str) -> tuple[str, str]:
    """A name with its layer replaced by `{i}`, and the layer ("" when it has none)."""
    found = _LAYER.search(name)
    return (_LAYER.sub(".{i}.", name, count=1), found.group(1)) if found else (name, "")


def _lookup(modern: str) -> tuple[str, int] | None:
    """Our name and the part of it that a Hugging Face name is."""
    template, layer = _split_layer(modern)
    entry = _FROM_FOREIGN.get(template)
    return (entry[0].replace("{i}", layer), entry[1]) if entry else None


def _take_tied(files: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """Remove repetitions from `files`; one whose original is absent takes the original's place."""
    tied = []
    for repetition, original in TIED.items():
        if repetition not in files:
            continue
        name = files.pop(repetition)
        if original in files:
            tied.append((name, files[original]))
        else:
            files[original] = name
    return tuple(tied)


def _gather(files: dict[str, str]) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """The parts of each of our names in order, and of those with a part missing what is missing."""
    ours = {entry[0] for modern in files if (entry := _lookup(modern)) is not None}
    sources, incomplete = {}, {}
    for name in sorted(ours):
        parts = foreign_names(name)
        missing = tuple(part for part in parts if part not in files)
        if missing:
            incomplete[name] = missing
        else:
            sources[name] = tuple(files[part] for part in parts)
    return sources, incomplete
