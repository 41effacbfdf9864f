"""Weights of UER-py and TencentPretrain: a pickled state dict with names of its own, and no configuration.

Their segments count from 1, 0 being the padding, so the first of three rows is left out.

Source: UER-py and TencentPretrain, scripts/convert_bert_from_uer_to_huggingface.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from erya.checkpoints.foreign.checkpoint import ForeignCheckpoint
from erya.checkpoints.foreign.configs import build_config, find_vocabulary, read_config
from erya.checkpoints.foreign.renaming import Change, NameTable, RenamedArrays, Source
from erya.errors import CheckpointError
from erya.runtime import require

if TYPE_CHECKING:
    from torch import Tensor

KIND = "UER-py or TencentPretrain weights"
_DECODER, _WORDS = "cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"
_SEGMENTS = "bert.embeddings.token_type_embeddings.weight"
# Hugging Face's name -> theirs, newest first.
_EMBEDDINGS: Mapping[str, tuple[str, ...]] = {
    _WORDS: ("embedding.word.embedding.weight", "embedding.word_embedding.weight"),
    "bert.embeddings.position_embeddings.weight": (
        "embedding.pos.embedding.weight",
        "embedding.position_embedding.weight",
    ),
    _SEGMENTS: ("embedding.seg.embedding.weight", "embedding.segment_embedding.weight"),
}
# The parts of a layer: theirs, and Hugging Face's.
_LAYER = (
    ("self_attn.linear_layers.0", "attention.self.query"),
    ("self_attn.linear_layers.1", "attention.self.key"),
    ("self_attn.linear_layers.2", "attention.self.value"),
    ("self_attn.final_linear", "attention.output.dense"),
    ("layer_norm_1", "attention.output.LayerNorm"),
    ("feed_forward.linear_1", "intermediate.dense"),
    ("feed_forward.linear_2", "output.dense"),
    ("layer_norm_2", "output.LayerNorm"),
)
_PAIRS = ("target.sp.linear_", "target.sp_linear_", "target.nsp_linear_", "target.sop_linear_")
# Heads: Hugging Face's stem, and theirs.
_HEADS: Mapping[str, tuple[str, ...]] = {
    "embeddings.LayerNorm": ("embedding.layer_norm",),
    "cls.predictions.transform.dense": ("target.mlm.linear_1", "target.mlm_linear_1"),
    "cls.predictions.transform.LayerNorm": ("target.mlm.layer_norm", "target.layer_norm"),
    "pooler.dense": (*(f"{stem}1" for stem in _PAIRS), "output_layer_1"),
    "cls.seq_relationship": tuple(f"{stem}2" for stem in _PAIRS),
    "classifier": ("output_layer_2", "output_layer"),
}
_NORMS = (
    "UER-py's norms divide by the sample deviation, Hugging Face's by the population's: hidden states differ"
    " a little from UER-py's own, as they do after its own conversion"
)
_CONFIG_KEYS: Mapping[str, str] = {
    "heads_num": "num_attention_heads",
    "hidden_act": "hidden_act",
    "dropout": "hidden_dropout_prob",
}


class TorchArrays(Mapping[str, np.ndarray]):
    """Torch tensors as arrays that share their memory; bfloat16, which numpy lacks, becomes float32.

    Args:
        tensors: by name.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = tensors
        self.shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}

    def __getitem__(self, name: str) -> np.ndarray:
        tensor = self._tensors[name].detach()
        return (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __contains__(self, name: object) -> bool:
        return name in self._tensors  # a mapping's own would read the tensor

    def __len__(self) -> int:
        return len(self._tensors)


def is_uer(names: Mapping[str, object]) -> bool:
    """Whether the names of a state dict are UER's."""
    return any(name in names for options in _EMBEDDINGS.values() for name in options)


def read_pickle(path: Path) -> dict[str, Tensor]:
    """The named tensors of a file of `torch.save`, never code.

    Raises:
        CheckpointError: the file is damaged, or holds something besides named tensors.
        MissingExtraError: torch is not installed.
    """
    require("torch")
    from erya.checkpoints.tensors import read_pickled

    return {name.removeprefix("module."): value for name, value in read_pickled(path).items()}


def open_uer(path: Path) -> ForeignCheckpoint:
    """Weights of a BERT that UER-py or TencentPretrain saved, for reading.

    Args:
        path: the `.bin` file.
    Raises:
        CheckpointError: the file is damaged, or the encoder is not BERT's.
    """
    stored = TorchArrays(read_pickle(path))
    _require_bert(stored, path)
    tensors = RenamedArrays(stored, stored.shapes, _table(stored.shapes))
    said, notes = _configuration(path.parent)
    config, more = build_config("bert", tensors.shapes, said, where=str(path))
    if _DECODER in tensors and not np.array_equal(tensors[_DECODER], tensors[_WORDS]):
        config["tie_word_embeddings"] = False
        notes += ("the decoder over the vocabulary is a tensor of its own, not the embeddings",)
    if "output_layer.weight" in stored:
        config["architectures"] = ["BertForTokenClassification"]
        notes += ("output_layer is taken for a head that labels tokens; the file does not say what it is",)
    return ForeignCheckpoint(
        kind=KIND,
        files=(path,),
        config=config,
        tensors=tensors,
        shapes=tensors.shapes,
        notes=(*notes, *more, _NORMS),
        vocab=find_vocabulary(path.parent),
        leftover=tuple(name for name in stored if name not in tensors.sources),
    )


def _require_bert(stored: Mapping[str, np.ndarray], path: Path) -> None:
    if "encoder.transformer.0.layer_norm_1.gamma" in stored and "encoder.layer_norm.gamma" not in stored:
        return
    shared = any(name.startswith("encoder.transformer.self_attn.") for name in stored)
    what = (
        "its layers share their tensors (ALBERT)"
        if shared
        else "its norms stand before the layers"
        if "encoder.layer_norm.gamma" in stored
        else "it is no transformer with norms behind its layers"
    )
    raise CheckpointError(
        f"of UER-py's and TencentPretrain's encoders only BERT's is read; {what}",
        where=str(path),
        hint="convert it with their scripts/convert_..._to_huggingface.py",
    )


def _table(names: Mapping[str, object]) -> NameTable:
    """Hugging Face's names for those of theirs that are there."""
    table: NameTable = {}
    for ours, options in _EMBEDDINGS.items():
        _add(table, names, ours, options, "without_first_row" if ours == _SEGMENTS else "none")
    num_layers = 1 + max(
        int(found[1]) for name in names if (found := re.match(r"encoder\.transformer\.(\d+)\.", name))
    )
    parts = dict(_HEADS) | {
        f"encoder.layer.{layer}.{ours}": (f"encoder.transformer.{layer}.{theirs}",)
        for layer in range(num_layers)
        for theirs, ours in _LAYER
    }
    for stem, options in parts.items():
        bare = stem.startswith(("embeddings.", "encoder.", "pooler."))
        for ours, theirs in (("weight", ("weight", "gamma")), ("bias", ("bias", "beta"))):
            endings = tuple(f"{option}.{ending}" for option in options for ending in theirs)
            _add(table, names, f"{'bert.' if bare else ''}{stem}.{ours}", endings)
    _add(table, names, _DECODER, ("target.mlm.linear_2.weight", "target.mlm_linear_2.weight"))
    _add(table, names, "cls.predictions.bias", ("target.mlm.linear_2.bias", "target.mlm_linear_2.bias"))
    return table


def _add(
    table: NameTable,
    names: Mapping[str, object],
    ours: str,
    options: tuple[str, ...],
    change: Change = "none",
) -> None:
    """Enter the first of `options` that is there."""
    theirs = next((name for name in options if name in names), None)
    if theirs is not None:
        table[ours] = Source(theirs, change)


def _configuration(directory: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What a configuration of theirs in the folder says, in Hugging Face's keys."""
    files = [path for path in sorted(directory.glob("*config*.json")) if "heads_num" in read_config(path)]
    if len(files) != 1:
        return {}, ()
    data = read_config(files[0])
    said = {theirs: data[ours] for ours, theirs in _CONFIG_KEYS.items() if ours in data}
    if "dropout" in data:
        said["attention_probs_dropout_prob"] = data["dropout"]
    return said, (f"heads, activation and dropout are those of {files[0].name}",)
