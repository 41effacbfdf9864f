"""Weights that bert4keras saved as HDF5 (`model.save_weights("x.weights")`, `"x.h5"`, or a whole model).

Each layer holds a list of arrays in a fixed order; bert4keras itself maps them to Google's variables, and so
do we: the rest is the same as for a TensorFlow checkpoint.

Source: bert4keras 0.11, models.py, variable_mapping.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from erya.checkpoints.foreign.checkpoint import ForeignCheckpoint
from erya.checkpoints.foreign.configs import find_config, read_config
from erya.checkpoints.foreign.names_tf import TensorFlowFamily
from erya.checkpoints.foreign.renaming import Shape
from erya.checkpoints.foreign.tensorflow import NO_CONFIG, rename_variables
from erya.errors import CheckpointError
from erya.runtime import require

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
KIND = "bert4keras weights"
# The last finds those of other names; beside config.json a tokenizer's may lie.
_CONFIGS = ("bert_config.json", "albert_config*.json", "config.json", "*config*.json")
_DENSE, _NORM = ("kernel", "bias"), ("beta", "gamma")
# A layer's name -> Google's variables in the order the layer holds them; {} is where they belong.
_LAYERS: Mapping[str, tuple[str, ...]] = {
    "Embedding-Token": ("{model}/embeddings/word_embeddings",),
    "Embedding-Segment": ("{model}/embeddings/token_type_embeddings",),
    "Embedding-Position": ("{model}/embeddings/position_embeddings",),
    "Embedding-Norm": tuple(f"{{model}}/embeddings/LayerNorm/{end}" for end in _NORM),
    "Embedding-Mapping": tuple(f"{{mapping}}/{end}" for end in _DENSE),
    "Pooler-Dense": tuple(f"{{model}}/pooler/dense/{end}" for end in _DENSE),
    "NSP-Proba": ("cls/seq_relationship/output_weights", "cls/seq_relationship/output_bias"),
    "MLM-Dense": tuple(f"cls/predictions/transform/dense/{end}" for end in _DENSE),
    "MLM-Norm": tuple(f"cls/predictions/transform/LayerNorm/{end}" for end in _NORM),
    "MLM-Bias": ("cls/predictions/output_bias",),
    "Discriminator-Dense": tuple(f"discriminator_predictions/dense/{end}" for end in _DENSE),
    "Discriminator-Prediction": tuple(f"discriminator_predictions/dense_1/{end}" for end in _DENSE),
}
# The parts of `Transformer-3-...`, and of ALBERT's `Transformer-...`.
_BLOCKS: Mapping[str, tuple[str, ...]] = {
    "MultiHeadSelfAttention": tuple(
        f"attention/{part}/{end}"
        for part in ("self/query", "self/key", "self/value", "output/dense")
        for end in _DENSE
    ),
    "MultiHeadSelfAttention-Norm": tuple(f"attention/output/LayerNorm/{end}" for end in _NORM),
    "FeedForward": tuple(f"{part}/dense/{end}" for part in ("intermediate", "output") for end in _DENSE),
    "FeedForward-Norm": tuple(f"output/LayerNorm/{end}" for end in _NORM),
}
_SHARED_BLOCKS: Mapping[str, tuple[str, ...]] = {
    "MultiHeadSelfAttention": tuple(
        name.replace("attention/", "attention_1/") for name in _BLOCKS["MultiHeadSelfAttention"]
    ),
    "MultiHeadSelfAttention-Norm": tuple(f"LayerNorm/{end}" for end in _NORM),
    "FeedForward": tuple(
        f"ffn_1/intermediate/{part}dense/{end}" for part in ("", "output/") for end in _DENSE
    ),
    "FeedForward-Norm": tuple(f"LayerNorm_1/{end}" for end in _NORM),
}
# What their variables' names begin with, and those of the projection of embeddings.
_SCOPES: Mapping[str, tuple[str, str]] = {
    "bert": ("bert", "bert/encoder/embedding_hidden_mapping_in"),
    "electra": ("electra", "electra/embeddings_project"),
}
_BLOCK = re.compile(r"Transformer-(?:(\d+)-)?(MultiHeadSelfAttention|FeedForward)(-Norm)?")
# Google keeps these as (outputs, inputs); a layer of Keras has them the other way round.
_TRANSPOSED = "cls/seq_relationship/output_weights"
# Sines, never learnt: Hugging Face's model computes them.
_COMPUTED = ("Embedding-Relative-Position", "Embedding-Rotary-Position")


class KerasWeights(Mapping[str, np.ndarray]):
    """The arrays of bert4keras's layers under Google's names; each is read when asked for.

    Args:
        path: the HDF5 file.
    Raises:
        CheckpointError: it is damaged, or Keras did not write it.
        MissingExtraError: h5py is not installed.
    """

    def __init__(self, path: Path) -> None:
        self._library = require("h5py")
        self.path = path
        self.layers: dict[str, tuple[str, ...]] = {}
        stored: dict[str, Shape] = {}
        with self._open() as file:
            root = file.get("model_weights", file)
            if "layer_names" not in root.attrs:
                raise CheckpointError(
                    "the HDF5 file has no layers as Keras 2 writes them",
                    where=str(path),
                    hint="weights of Keras 3 are not read; bert4keras runs on Keras 2",
                )
            for layer in map(_text, root.attrs["layer_names"]):
                group = root[layer]
                places = tuple(f"{group.name}/{_text(name)}" for name in group.attrs["weight_names"])
                self.layers[layer] = places
                stored |= {place: tuple(file[place].shape) for place in places}
        self.family = _family(self.layers, path)
        self._places = self._name_places()
        self.shapes: dict[str, Shape] = {
            name: stored[place][::-1] if name == _TRANSPOSED else stored[place]
            for name, place in self._places.items()
        }

    def __getitem__(self, name: str) -> np.ndarray:
        place = self._places[name]
        with self._open() as file:
            values = np.asarray(file[place])
        return values.T if name == _TRANSPOSED else values

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __contains__(self, name: object) -> bool:
        return name in self._places  # a mapping's own would read the tensor

    def __len__(self) -> int:
        return len(self._places)

    @contextmanager
    def _open(self) -> Iterator[Any]:
        try:
            with self._library.File(self.path, "r") as file:
                yield file
        except (OSError, KeyError, RuntimeError) as error:  # whatever the library meets inside
            raise CheckpointError(
                f"the HDF5 file is damaged: {error}", where=str(self.path), hint="fetch the file again"
            ) from None

    def _name_places(self) -> dict[str, str]:
        """Google's names, and where in the file the arrays are. Unknown layers keep their own names."""
        places: dict[str, str] = {}
        for layer, stored in self.layers.items():
            names = _variables(layer, self.family)
            if not stored or layer in _COMPUTED:
                continue
            if names is None:
                places |= {f"{layer}/{place.rsplit('/', 1)[-1]}": place for place in stored}
            elif len(names) != len(stored):
                raise CheckpointError(
                    f"layer {layer} has {len(stored)} arrays where BERT's has {len(names)}: the model is"
                    " another (without biases, with conditional norms, ...), which is not read",
                    where=str(self.path),
                )
            else:
                places |= dict(zip(names, stored, strict=True))
        return places


def open_bert4keras(path: Path) -> ForeignCheckpoint:
    """Weights of a BERT, ALBERT, ELECTRA, RoFormer or NEZHA of bert4keras, for reading.

    Args:
        path: the HDF5 file, whatever its name ends in.
    Raises:
        CheckpointError: the file is damaged, or the model is none of these.
        MissingExtraError: h5py is not installed.
    """
    stored = KerasWeights(path)
    found = find_config(path.parent, _CONFIGS)
    return rename_variables(
        stored,
        stored.shapes,
        family=stored.family,
        said=read_config(found) if found else {},
        part="discriminator" if stored.family == "electra" else None,
        kind=KIND,
        files=(path, *([found] if found else [])),
        notes=() if found else (NO_CONFIG,),
    )


def _family(layers: Mapping[str, tuple[str, ...]], path: Path) -> TensorFlowFamily:
    """The family that layers belong to, by the layers that only one has."""
    if "Embedding-Token" not in layers:
        first = ", ".join(list(layers)[:6])
        raise CheckpointError(f"the layers are not bert4keras's: {first}", where=str(path))
    if "Transformer-MultiHeadSelfAttention" in layers:
        return "albert"
    if "Transformer-0-MultiHeadSelfAttention" not in layers:
        raise CheckpointError("there is no layer Transformer-0-MultiHeadSelfAttention", where=str(path))
    if "Embedding-Rotary-Position" in layers:
        return "roformer"
    if "Embedding-Relative-Position" in layers:
        return "nezha"
    # What projects its embeddings and is none of those computes what ELECTRA does.
    projects = "Embedding-Mapping" in layers or "Discriminator-Dense" in layers
    return "electra" if projects else "bert"


def _variables(layer: str, family: TensorFlowFamily) -> tuple[str, ...] | None:
    """Google's names of a layer's arrays; None for a layer of somebody else's."""
    model, mapping = _SCOPES["electra" if family == "electra" else "bert"]
    if layer in _LAYERS:
        return tuple(name.format(model=model, mapping=mapping) for name in _LAYERS[layer])
    block = _BLOCK.fullmatch(layer)
    if block is None:
        return None
    number, kind, norm = block.groups()
    if number is None:
        scope, parts = f"{model}/encoder/transformer/group_0/inner_group_0", _SHARED_BLOCKS
    else:
        scope, parts = f"{model}/encoder/layer_{number}", _BLOCKS
    return tuple(f"{scope}/{name}" for name in parts[kind + (norm or "")])


def _text(value: bytes | str) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else value
