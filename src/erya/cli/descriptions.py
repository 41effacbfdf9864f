"""What there is to say about each kind of directory, as plain values. Reads headers and manifests only."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from erya.errors import EryaError, InputError

if TYPE_CHECKING:
    from erya.checkpoints.huggingface import ForeignConfig
    from erya.checkpoints.names import NamePlan
    from erya.data.shard_counts import MixtureGroup
    from erya.models.config import EncoderConfig

# Of the report of a corpus job what fits a screen; the rest is in report.json and on the page.
_REPORTED = ("records", "kept", "heldout", "characters", "raw_bytes", "dropped", "edits", "noted")

# Of an encoder's options those that are shown even where they are BERT's.
_ALWAYS = ("hidden_size", "num_layers", "num_heads", "intermediate_size", "max_positions", "num_segments")


def model(directory: Path) -> dict[str, Any]:
    """Family, sizes, parameters, vocabulary, task, limits and provenance of a model directory."""
    from erya.checkpoints.configuration import read_configuration
    from erya.checkpoints.names import part_of, plan_names
    from erya.checkpoints.weights import find_weights, read_headers

    headers = read_headers(find_weights(directory))
    data, foreign, info = read_configuration(directory, headers=headers)
    plan = plan_names(headers, foreign.family, foreign.encoder, foreign.heads)
    vocabulary = _vocabulary(directory, foreign.encoder.vocab_size)
    counts: Counter[str] = Counter()
    for name, parts in plan.sources.items():
        part = part_of(name).removeprefix("encoder.")
        counts[part] += sum(math.prod(headers[source].shape) for source in parts)
    return {
        "family": foreign.family.name,
        "saved_as": (data.get("architectures") or [None])[0],
        "task": info.task,
        "heads": list(foreign.heads),
        "labels": list(info.labels) if info.labels is not None else None,
        "sizes": _sizes(foreign.encoder),
        "num_parameters": sum(counts.values()),
        "parameters": dict(counts),
        "dtype": sorted({header.dtype for header in headers.values()}),
        "weights_mb": round(sum(header.num_bytes for header in headers.values()) / 1e6, 1),
        "vocabulary": vocabulary,
        "max_length": info.max_length,
        "provenance": info.provenance,
        "notes": [*_model_notes(plan, foreign), *_row_notes(vocabulary)],
    }


def _row_notes(vocabulary: Mapping[str, Any]) -> list[str]:
    """Doubts about a vocabulary that nearly fits its embedding."""
    if vocabulary.get("rows_without_a_piece") == 1:
        return ["one row has no piece: if the vocabulary lacks a line, all ids behind it are one off"]
    if "pieces_without_a_row" in vocabulary:
        return ["the vocabulary has more pieces than the embedding has rows: it belongs to another model"]
    return []


def _sizes(config: EncoderConfig) -> dict[str, Any]:
    """BERT's options, and those of the others that are not as in BERT."""
    usual = {name: field.get_default() for name, field in type(config).model_fields.items()}
    return {
        name: value
        for name, value in config.model_dump().items()
        if name in _ALWAYS or (name != "family" and getattr(config, name) != usual[name])
    }


def _model_notes(plan: NamePlan, foreign: ForeignConfig) -> list[str]:
    """What a person should know before using the model."""
    from erya.checkpoints.info import ABSENT_HEAD

    table = foreign.family.table(foreign.encoder, foreign.heads)
    missing = [part for parts in plan.incomplete.values() for part in parts]
    missing += [
        part
        for ours, parts in table.items()
        if ours not in plan.sources and ours not in plan.incomplete and ".pooler." not in ours
        for part in parts
    ]
    notes = [*foreign.notes, *(f"left over: {name}" for name in plan.unknown)]
    notes += [f"missing: {part}" for part in missing]
    if plan.unused:
        notes.append(f"heads Erya does not use: {', '.join(plan.unused)}")
    if "masked_lm" not in foreign.heads and foreign.task is None:
        notes.append(ABSENT_HEAD)
    return notes


def probe(directory: Path) -> dict[str, Any]:
    """What a model guesses for masked tokens, or why it was not asked; `lines` is that for a person."""
    from erya.errors import MissingExtraError
    from erya.runtime import require

    try:
        require("torch")
        from erya.checkpoints.directory import read_model
        from erya.checkpoints.info import ABSENT_HEAD
        from erya.checkpoints.probe import probe_masked_tokens

        opened = read_model(directory)
        if "masked_lm" not in opened.heads:
            return {"problem": ABSENT_HEAD, "lines": [f"not asked: {ABSENT_HEAD}"]}
        found = probe_masked_tokens(opened)
    except MissingExtraError as error:
        return {"problem": error.what, "lines": [f"not asked: {error.what}; {error.hint}"]}
    except EryaError as error:
        return {"problem": error.what, "lines": [f"not asked: {error.what}"]}
    return {
        **asdict(found),
        "looks_untrained": found.looks_untrained,
        "verdict": found.verdict,
        "lines": found.lines(),
    }


def tokenizer(directory: Path) -> dict[str, Any]:
    """Mode, size and make-up of a vocabulary."""
    from erya.tokenizer.opening import open_tokenizer

    opened = open_tokenizer(directory)
    kinds = Counter(_kind(piece) for piece in opened.vocab)
    special = sorted(opened.special_ids)
    return {
        "mode": opened.mode,
        "lowercase": opened.lowercase,
        "vocab_size": opened.vocab_size,
        "pieces": dict(kinds.most_common()),
        "special_tokens": {opened.vocab[token]: token for token in special},
        "hash": opened.hash,
        "notes": list(opened.notes),
    }


def documents(directory: Path) -> dict[str, Any]:
    """Counts of a documents directory and of the job that wrote it."""
    from erya.data.documents import read_manifest
    from erya.data.splits import SPLITS

    manifest = read_manifest(directory)
    return {
        "documents": {split: manifest.num_documents(split) for split in SPLITS},
        "characters": {split: manifest.num_characters(split) for split in SPLITS},
        "num_files": len(manifest.parts),
        "report": _reported(manifest.report),
    }


def shards(directory: Path) -> dict[str, Any]:
    """Counts of a shards directory, its tokenizer and the job that wrote its documents."""
    from erya.data.shards import TOKENIZER, read_manifest
    from erya.data.splits import SPLITS

    manifest = read_manifest(directory)
    counts: dict[str, Any] = {
        split: {
            "shards": sum(shard.split == split for shard in manifest.shards),
            "tokens": manifest.num_tokens(split),
            "words": sum(shard.words for shard in manifest.shards if shard.split == split),
            "sentences": sum(shard.sentences for shard in manifest.shards if shard.split == split),
            "documents": sum(shard.documents for shard in manifest.shards if shard.split == split),
        }
        for split in SPLITS
    }
    return {
        **counts,
        "dtype": manifest.dtype,
        "characters": manifest.characters,
        "uncovered_characters": manifest.uncovered_characters,
        "unknown_tokens": manifest.unknown_tokens,
        "empty_documents": manifest.empty_documents,
        "vocabulary": _vocabulary(directory / TOKENIZER, manifest.vocab_size),
        "mixture": _mixture(manifest.mixture),
        "source": _reported(manifest.source),
        "damage": _damage(directory),
    }


def _damage(directory: Path) -> str | None:
    """What is wrong with the first file of shards that is missing or has another size."""
    from erya.data.shards import Shards
    from erya.data.splits import SPLITS

    try:
        for split in SPLITS:
            Shards.open(directory, split=split)
    except InputError as error:
        return "; ".join(error.lines())
    return None


def seeds(directory: Path) -> dict[str, Any]:
    """The dev scores of the same run under several seeds; `model` is the best one's."""
    from erya.checkpoints.info import read_json

    summary = read_json(directory / "seeds.json")
    return {key: summary.get(key) for key in ("best_seed", "mean", "deviation", "scores")} | {
        "model": _model_of(directory)
    }


def folds(directory: Path) -> dict[str, Any]:
    """The scores of a cross-validation; `model` is the mean of its models."""
    from erya.checkpoints.info import read_json

    summary = read_json(directory / "folds.json")
    scores = {key: summary.get(key) for key in ("folds", "mean", "deviation", "together", "scores")}
    model = directory / "model"
    return {**scores, "model": str(model) if model.exists() else None}


def ensemble(directory: Path) -> dict[str, Any]:
    """The models that answer together, and what the first of them is."""
    from erya.tasks.members import members_of

    members = members_of(directory)
    return {"members": [member.name for member in members], "each": model(members[0])}


def _reported(report: dict[str, Any]) -> dict[str, Any]:
    """The counts of a corpus job; of several documents directories those of each."""
    if "records" in report or "dropped" in report:
        return {name: report[name] for name in _REPORTED if report.get(name)}
    return {name: _reported(inner) for name, inner in report.items() if isinstance(inner, dict)}


def _mixture(groups: tuple[MixtureGroup, ...] | None) -> list[str]:
    """What came in of each group, a line each."""
    return [
        f"{group.name}: {group.share:.1%} of the training text, {group.repeats:.2f} times its documents"
        for group in groups or ()
    ]


def _model_of(directory: Path) -> str | None:
    return str(directory / "model") if (directory / "model").is_dir() else None


def _vocabulary(directory: Path, rows: int | None) -> dict[str, Any]:
    """Size and mode of a tokenizer beside the rows of its embedding, or why it cannot be opened."""
    from erya.tokenizer.opening import open_tokenizer

    try:
        opened = open_tokenizer(directory)
    except EryaError as error:
        return {"problem": error.what}
    described = {
        "size": opened.vocab_size,
        "mode": opened.mode,
        "lowercase": opened.lowercase,
        "hash": opened.hash[:12],
        "notes": "; ".join(opened.notes) or None,
    }
    if rows is not None and rows != opened.vocab_size:
        described["rows_without_a_piece" if rows > opened.vocab_size else "pieces_without_a_row"] = abs(
            rows - opened.vocab_size
        )
    return described


def _kind(piece: str) -> str:
    """What a piece is made of, in a word."""
    if piece.startswith("[") and piece.endswith("]") and len(piece) > 2:
        return "special"
    if piece.startswith("##"):
        return "continuations"
    if len(piece) == 1:
        return "Hanzi" if "㐀" <= piece <= "鿿" or ord(piece) >= 0x20000 else "other characters"
    return "words and numbers" if piece.isascii() else "other pieces"
