"""Finding a model's family by its tensors, not by its label. Torch-free.

Many Chinese checkpoints called RoBERTa are BERTs: trained RoBERTa's way, with BERT's tensors and a
`vocab.txt`. Opened by their label they would give a randomly initialised encoder.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from erya.checkpoints.families.family import Family
from erya.checkpoints.families.table import FAMILIES
from erya.checkpoints.info import INFO_FILE
from erya.checkpoints.names import modern_name, prefix_of
from erya.errors import CheckpointError
from erya.models.config import FamilyName

# Families whose tensors are called as no other's: a beginning of a name, without prefix.
_BEGINNINGS: tuple[tuple[str, FamilyName], ...] = (
    ("transformer.layer.0.attention.q_lin.", "distilbert"),
    ("encoder.albert_layer_groups.", "albert"),
    ("encoder.layer.0.attention.self.query_proj.", "deberta-v2"),
    ("layers.0.attn.Wqkv.", "modernbert"),
    ("encoder.embed_positions.", "roformer"),
    ("embeddings.task_type_embeddings.", "ernie"),
    ("generator_", "electra"),
    ("discriminator_predictions.", "electra"),
)
_BERT_LAYER = "encoder.layer.0.attention.self.query."
_POSITIONS = "embeddings.position_embeddings.weight"
_ROBERTA_FAMILIES: tuple[FamilyName, ...] = ("roberta", "xlm-roberta")
_ROBERTA_VOCABULARIES = ("merges.txt", "sentencepiece.bpe.model")
# Families that have BERT's names behind the prefix on the left.
_BY_PREFIX: Mapping[str, tuple[FamilyName, ...]] = {
    "bert.": ("bert", "ernie"),
    "ernie.": ("ernie",),
    "electra.": ("electra",),
    "roberta.": _ROBERTA_FAMILIES,
    "roformer.": ("roformer",),
    "nezha.": ("nezha",),
}


def recognise(
    data: Mapping[str, Any], names: Collection[str], directory: Path
) -> tuple[Family, tuple[str, ...]]:
    """Decide by its tensors which family a model is of.

    The label, `model_type` in `config.json`, decides only among families whose tensors are called alike. What
    a model of a family that Erya does not know computes its tensors cannot tell, so such a label is an error.

    Args:
        data: the contents of `config.json`.
        names: of the stored tensors; none: the label decides.
        directory: only looked at for a vocabulary.
    Returns:
        The family, and notes for the user where the label says another.
    Raises:
        CheckpointError: the label or the tensors are no family's that Erya knows.
    """
    label = data.get("model_type")
    # It may be a list or a number: whatever stands in the file.
    if label is not None and label not in tuple(FAMILIES):
        raise _unknown_label(str(label), names, data, directory)
    if not names:
        return FAMILIES[label or "bert"], _code_notes(data)
    possible = _possible(data, names, directory)
    if not possible:
        raise CheckpointError(
            f"the tensors are no family's that Erya knows: {', '.join(sorted(names)[:3])} and so on",
            where=str(directory),
            hint="known: " + ", ".join(FAMILIES),
        )
    if label is None or label in possible:
        family: FamilyName = label or possible[0]
        return FAMILIES[family], (*_notes(family, names, directory), *_code_notes(data))
    return FAMILIES[possible[0]], (
        f"config.json says {label!r}, the tensors are those of {possible[0]}: opened as {possible[0]}",
        *_code_notes(data),
    )


def _possible(data: Mapping[str, Any], names: Collection[str], directory: Path) -> tuple[FamilyName, ...]:
    """Families that call tensors as these are called, the likeliest first."""
    modern = {modern_name(name) for name in names}
    for beginning, family in _BEGINNINGS:
        if any(name.startswith(beginning) for name in modern):
            return (family,)
    if not any(name.startswith(_BERT_LAYER) for name in modern):
        return ()
    prefixes = {prefix_of(name) for name in names} - {""}
    if _POSITIONS not in modern:
        return _without_positions(data, prefixes)
    if any(name.startswith("embeddings_project.") for name in modern):
        return ("electra",)
    for prefix, families in _BY_PREFIX.items():
        if prefix in prefixes:
            return families
    return _bare(data, modern, directory)


def _without_positions(data: Mapping[str, Any], prefixes: Collection[str]) -> tuple[FamilyName, ...]:
    """BERT's names without a table of positions: these are relative, rotary, or missing."""
    label = data.get("model_type")
    if label == "nezha" or "nezha." in prefixes or "max_relative_position" in data:
        return ("nezha",)
    if label == "roformer" or "roformer." in prefixes:
        return ("roformer",)
    return ("bert", "ernie", "electra", *_ROBERTA_FAMILIES)


def _bare(data: Mapping[str, Any], modern: Collection[str], directory: Path) -> tuple[FamilyName, ...]:
    """BERT's names without a prefix: only RoBERTa computes something else, and its vocabulary tells it."""
    berts: tuple[FamilyName, ...] = ("bert", "ernie", "electra")
    if any(name.startswith("lm_head.") for name in modern):
        return _ROBERTA_FAMILIES
    label = data.get("model_type")
    if label in berts:
        return berts
    if label not in _ROBERTA_FAMILIES:  # none, or that of a family whose tensors are called otherwise
        return _ROBERTA_FAMILIES if _has_roberta_vocabulary(directory) else berts
    if (directory / INFO_FILE).is_file():  # we wrote it, and meant what we wrote
        return _ROBERTA_FAMILIES
    if (directory / "vocab.txt").is_file() or any(name.startswith("cls.") for name in modern):
        return berts
    if _has_roberta_vocabulary(directory):
        return _ROBERTA_FAMILIES
    raise CheckpointError(
        f"config.json says {label!r}, and neither tensor names (`bert.*`, `roberta.*`) nor a"
        " vocabulary say whether it is one: positions would be counted differently",
        where=str(directory),
        hint="put the tokenizer's files beside the weights",
    )


def _has_roberta_vocabulary(directory: Path) -> bool:
    if (directory / "vocab.txt").is_file():
        return False
    if any((directory / name).is_file() for name in _ROBERTA_VOCABULARIES):
        return True
    path = directory / "tokenizer.json"
    if not path.is_file():
        return False
    try:
        model = json.loads(path.read_text(encoding="utf-8")).get("model")
    except (OSError, ValueError, AttributeError):
        return False  # whoever opens the tokenizer says what is wrong with it
    return isinstance(model, dict) and model.get("type") in ("BPE", "Unigram")


def _notes(family: FamilyName, names: Collection[str], directory: Path) -> tuple[str, ...]:
    prefixes = {prefix_of(name) for name in names} - {""}
    is_ours = (directory / INFO_FILE).is_file()
    if family in ("bert", "ernie") and not prefixes and not is_ours and _has_roberta_vocabulary(directory):
        return (
            "no tensor's name tells this from a RoBERTa, and the vocabulary looks like one's: if it is one,"
            " positions are counted wrongly; write its model_type into config.json",
        )
    if family in _ROBERTA_FAMILIES and "roberta." in prefixes and (directory / "vocab.txt").is_file():
        return (
            "the tensors are called as RoBERTa's, but vocab.txt is BERT's: if these are a BERT's weights"
            " under other names, positions are counted wrongly",
        )
    return ()


def _code_notes(data: Mapping[str, Any]) -> tuple[str, ...]:
    if not data.get("auto_map"):
        return ()
    return (
        "config.json names code of the model's own (auto_map), which is not run: if it computes otherwise"
        " than the family does, so does this model",
    )


def _unknown_label(
    label: str, names: Collection[str], data: Mapping[str, Any], directory: Path
) -> CheckpointError:
    near = get_close_matches(label, FAMILIES, n=3, cutoff=0.4) or list(FAMILIES)
    alike = _possible({**data, "model_type": None}, names, directory) if names else ()
    hint = "nearest: " + ", ".join(near)
    if alike:
        hint += f"; the tensors are called as those of {alike[0]}: if it computes the same, write that there"
    return CheckpointError(
        f"model_type {label!r} is not a family Erya opens", where=str(directory / "config.json"), hint=hint
    )
