"""The `config.json` that Hugging Face would have written, from a foreign configuration file and from shapes.

Tensors do not say how many heads there are, which activation, how much dropout: the file does. Sizes of the
layers in it must be those of the tensors, otherwise it belongs to another checkpoint; numbers of rows (words,
positions, segments) are taken from the tensors, with a note where the file says otherwise.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from erya.checkpoints.foreign.renaming import Shape
from erya.errors import CheckpointError

HEAD_SIZE = 64  # of every BERT that was published, tiny ones too
_CLASS_PREFIX = {
    "bert": "Bert",
    "albert": "Albert",
    "electra": "Electra",
    "roformer": "RoFormer",
    "nezha": "Nezha",
}
_ROWS = ("vocab_size", "max_position_embeddings", "type_vocab_size")
# (our ending of a tensor's name, which dimension, what it is called). The first that is there counts.
_MEASURES: tuple[tuple[str, int, str], ...] = (
    ("embeddings.word_embeddings.weight", 0, "vocab_size"),
    ("embeddings.position_embeddings.weight", 0, "max_position_embeddings"),
    ("embeddings.token_type_embeddings.weight", 0, "type_vocab_size"),
    ("encoder.layer.0.output.dense.weight", 0, "hidden_size"),
    ("encoder.layer.0.output.dense.weight", 1, "intermediate_size"),
    ("albert_layers.0.ffn_output.weight", 0, "hidden_size"),
    ("albert_layers.0.ffn_output.weight", 1, "intermediate_size"),
)
_FACTORISED = ("albert", "electra", "roformer")


def measure(family: str, shapes: Mapping[str, Shape]) -> dict[str, int]:
    """The sizes that the tensors show, by the names of `config.json`.

    Args:
        family: Hugging Face's name of it.
        shapes: of the tensors, by Hugging Face's names.
    """
    sizes: dict[str, int] = {}
    for ending, dimension, key in _MEASURES:
        shape = next((shape for name, shape in shapes.items() if name.endswith(ending)), None)
        if shape is not None:
            sizes.setdefault(key, shape[dimension])
    words = shapes.get(f"{family}.embeddings.word_embeddings.weight")
    if words is not None and family in _FACTORISED:
        sizes["embedding_size"] = words[1]
    if family == "albert":
        sizes["num_hidden_groups"] = _count(shapes, r"albert_layer_groups\.(\d+)\.")
        sizes["inner_group_num"] = _count(shapes, r"albert_layers\.(\d+)\.")
    else:
        sizes["num_hidden_layers"] = _count(shapes, r"encoder\.layer\.(\d+)\.")
    return sizes


def build_config(
    family: str,
    shapes: Mapping[str, Shape],
    said: Mapping[str, Any],
    *,
    where: str,
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The contents of `config.json` and what a user should know about them.

    Args:
        family: Hugging Face's name of it.
        shapes: of the tensors, by Hugging Face's names.
        said: what the configuration file beside the weights says, in Hugging Face's keys; empty without one.
        where: that file, or the weights.
    Returns:
        The configuration, `model_type` and `architectures` included, and notes.
    Raises:
        CheckpointError: the file disagrees with the tensors, or what only it could say is missing.
    """
    sizes = measure(family, shapes)
    if "hidden_size" not in sizes or "vocab_size" not in sizes:
        raise CheckpointError("there is no word embedding or no layer among the tensors", where=where)
    notes = list(_compare(sizes, said, where))
    if said.get("model_type") not in (None, family):
        notes.append(f"the configuration calls it {said['model_type']}; by its tensors it is {family}")
    config: dict[str, Any] = {**said, **sizes, "model_type": family}
    config["architectures"] = [_architecture(family, shapes)]
    config.setdefault("hidden_act", "gelu")
    if family == "albert" and "num_hidden_layers" not in config:
        raise CheckpointError(
            "ALBERT's layers share their tensors: only a configuration file says how many layers there are",
            where=where,
            hint="put albert_config.json beside the weights",
        )
    if "num_attention_heads" not in config:
        heads = config["num_attention_heads"] = max(1, sizes["hidden_size"] // HEAD_SIZE)
        notes.append(
            f"no file says how many attention heads there are: {heads}, for {HEAD_SIZE} numbers a head"
        )
    heads = config["num_attention_heads"]
    if not isinstance(heads, int) or heads < 1 or sizes["hidden_size"] % heads:
        raise CheckpointError(
            f"num_attention_heads {heads!r} does not divide {sizes['hidden_size']} numbers",
            where=where,
        )
    config |= _labels(shapes)
    return config, tuple(notes)


def read_config(path: Path) -> dict[str, Any]:
    """A configuration file.

    Raises:
        CheckpointError: it is not JSON, or no object.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, OSError) as error:
        raise CheckpointError(f"the configuration is not JSON: {error}", where=str(path)) from None
    if not isinstance(data, dict):
        raise CheckpointError("the configuration is not a JSON object", where=str(path))
    return data


def find_config(directory: Path, wanted: Sequence[str]) -> Path | None:
    """The configuration file of a folder: the first pattern of `wanted` that names exactly one file.

    Raises:
        CheckpointError: a pattern fits several files.
    """
    for pattern in wanted:
        found = sorted(path for path in directory.glob(pattern) if path.is_file())
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            raise CheckpointError(
                f"several files may be the configuration: {names}",
                where=str(directory),
                hint="leave only the one that belongs to the weights",
            )
        if found:
            return found[0]
    return None


def find_vocabulary(directory: Path) -> Path | None:
    """`vocab.txt`, or the only text file whose name speaks of a vocabulary, as `vocab_chinese.txt` does."""
    usual = directory / "vocab.txt"
    if usual.is_file():
        return usual
    found = sorted(directory.glob("*vocab*.txt"))
    return found[0] if len(found) == 1 else None


def _compare(sizes: Mapping[str, int], said: Mapping[str, Any], where: str) -> Iterable[str]:
    for key, size in sizes.items():
        if said.get(key) in (None, size):
            continue
        if key not in _ROWS:
            raise CheckpointError(
                f"the configuration belongs to other weights: {key} is {said[key]}, the tensors have {size}",
                where=where,
                hint="put the configuration that came with the weights beside them",
            )
        yield f"{key} is {said[key]} in the configuration, but the tensors have {size} rows: the tensors win"


def _count(shapes: Iterable[str], pattern: str) -> int:
    return max((int(found.group(1)) + 1 for name in shapes if (found := re.search(pattern, name))), default=0)


def _architecture(family: str, shapes: Iterable[str]) -> str:
    """The class of `transformers` that has the heads which are there."""
    names = set(shapes)
    heads = (
        ("ForQuestionAnswering", "qa_outputs.weight"),
        ("ForSequenceClassification", "classifier.weight"),
        ("ForPreTraining", "discriminator_predictions.dense.weight"),
        ("ForMaskedLM", "generator_predictions.dense.weight"),
    )
    suffix = next((suffix for suffix, name in heads if name in names), None)
    if suffix is None:
        masked = bool(names & {"cls.predictions.bias", "predictions.bias"})
        pairs = bool(names & {"cls.seq_relationship.weight", "sop_classifier.classifier.weight"})
        both = masked and pairs and family != "roformer"
        suffix = "ForPreTraining" if both else "ForMaskedLM" if masked else "Model"
    return _CLASS_PREFIX[family] + suffix


def _labels(shapes: Mapping[str, Shape]) -> dict[str, Any]:
    if "classifier.weight" not in shapes:
        return {}
    labels = [f"LABEL_{index}" for index in range(shapes["classifier.weight"][0])]
    return {
        "id2label": {str(index): label for index, label in enumerate(labels)},
        "label2id": {label: index for index, label in enumerate(labels)},
    }
