"""Tables of names: Hugging Face's, and Google's for BERT, ALBERT and ELECTRA, which others also save under.

A table is written out in full for a number of layers, so it reads in both directions. A `kernel` is stored as
(inputs, outputs), which Hugging Face has the other way round.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from erya.checkpoints.foreign.renaming import NameTable, Source

TensorFlowFamily = Literal["bert", "albert", "electra", "roformer", "nezha"]
Part = Literal["discriminator", "generator"]

# Variables of optimisers, counters and temperatures: part of no model.
_TRAINING = re.compile(
    r"(^|/)(adam_[mv]|Adam(_\d+)?|LAMB\w*|AdamWeightDecayOptimizer(_\d+)?|ExponentialMovingAverage|Momentum"
    r"|global_step|beta[12]_power|temperature|loss_scale|(current_)?(good|bad)_steps|accum\w*|step|learning_rate)$"
)
_MODULE = "module/"  # what an export to TensorFlow Hub puts in front


@dataclass(frozen=True, slots=True)
class Layers:
    """How many layers the names count.

    Attributes:
        layers: `layer_0`, `layer_1`, ...
        groups: ALBERT's `group_0`, ...
        inner: ALBERT's `inner_group_0`, ... of a group.
    """

    layers: int = 0
    groups: int = 0
    inner: int = 0


def is_training_state(name: str) -> bool:
    """Whether a variable belongs to the training and not to the model."""
    return _TRAINING.search(name) is not None


def count_layers(names: Iterable[str], *, scope: str) -> Layers:
    """The layers that occur in names below `scope`: one more than the largest number."""
    found = {"layer": 0, "group": 0, "inner_group": 0}
    pattern = re.compile(r"/(layer|group|inner_group)_(\d+)(?=/)")
    for name in names:
        if name.removeprefix(_MODULE).startswith(scope + "/"):
            for kind, number in pattern.findall(name):
                found[kind] = max(found[kind], int(number) + 1)
    return Layers(found["layer"], found["group"], found["inner_group"])


def tensorflow_table(family: TensorFlowFamily, layers: Layers, *, part: Part = "discriminator") -> NameTable:
    """Hugging Face's names of a family and the TensorFlow variables they stand for.

    Args:
        family: Hugging Face's name of it.
        layers: how many layers to write out.
        part: which of ELECTRA's two encoders.
    Returns:
        All names a checkpoint of the family may have, heads included; one checkpoint has not all of them.
    Source: google-research/bert, google-research/albert, google-research/electra.
    """
    if family == "albert":
        return _embeddings("bert", "albert") | _albert(layers)
    if family == "electra":
        return _electra(layers.layers, part)
    table = _embeddings("bert", family) | _bert_layers("bert", family, layers.layers)
    if family == "roformer":  # which in Hugging Face's form has no pooler
        table |= _dense("bert/encoder/embedding_hidden_mapping_in", "roformer.embeddings_project")
    else:
        table |= _dense("bert/pooler/dense", f"{family}.pooler.dense")
    return table | _bert_heads()


def add_module(table: NameTable, names: Iterable[str]) -> NameTable:
    """The table with `module/` in front of the variables, if that is how `names` begin."""
    if not any(name.startswith(_MODULE) for name in names):
        return table
    return {ours: Source(_MODULE + source.name, source.change) for ours, source in table.items()}


def _dense(theirs: str, ours: str) -> NameTable:
    kernel = Source(f"{theirs}/kernel", "transpose")
    return {f"{ours}.weight": kernel, f"{ours}.bias": Source(f"{theirs}/bias")}


def _norm(theirs: str, ours: str) -> NameTable:
    return {f"{ours}.weight": Source(f"{theirs}/gamma"), f"{ours}.bias": Source(f"{theirs}/beta")}


def _output(theirs: str, ours: str) -> NameTable:
    """The last layer of a head: Google keeps its weights as Hugging Face does."""
    weights = Source(f"{theirs}output_weights")
    return {f"{ours}.weight": weights, f"{ours}.bias": Source(f"{theirs}output_bias")}


def _embeddings(scope: str, model: str) -> NameTable:
    tables = ("word_embeddings", "position_embeddings", "token_type_embeddings")
    table = {f"{model}.embeddings.{name}.weight": Source(f"{scope}/embeddings/{name}") for name in tables}
    return table | _norm(f"{scope}/embeddings/LayerNorm", f"{model}.embeddings.LayerNorm")


def _bert_layers(scope: str, model: str, num_layers: int) -> NameTable:
    table: NameTable = {}
    for layer in range(num_layers):
        theirs, ours = f"{scope}/encoder/layer_{layer}", f"{model}.encoder.layer.{layer}"
        for part in ("query", "key", "value"):
            table |= _dense(f"{theirs}/attention/self/{part}", f"{ours}.attention.self.{part}")
        for block, dense, norm in (
            ("attention/output", "dense", "LayerNorm"),
            ("intermediate", "dense", None),
            ("output", "dense", "LayerNorm"),
        ):
            dotted = block.replace("/", ".")
            table |= _dense(f"{theirs}/{block}/{dense}", f"{ours}.{dotted}.{dense}")
            if norm:
                table |= _norm(f"{theirs}/{block}/{norm}", f"{ours}.{dotted}.{norm}")
    return table


def _bert_heads() -> NameTable:
    table = _dense("cls/predictions/transform/dense", "cls.predictions.transform.dense")
    table |= _norm("cls/predictions/transform/LayerNorm", "cls.predictions.transform.LayerNorm")
    table |= {"cls.predictions.bias": Source("cls/predictions/output_bias")}
    table |= _output("cls/seq_relationship/", "cls.seq_relationship")
    return table | _output("cls/squad/", "qa_outputs") | _output("", "classifier")


def _albert(layers: Layers) -> NameTable:
    table = _dense("bert/encoder/embedding_hidden_mapping_in", "albert.encoder.embedding_hidden_mapping_in")
    for group in range(layers.groups):
        for inner in range(layers.inner):
            theirs = f"bert/encoder/transformer/group_{group}/inner_group_{inner}"
            ours = f"albert.encoder.albert_layer_groups.{group}.albert_layers.{inner}"
            table |= _albert_layer(theirs, ours)
    table |= _dense("bert/pooler/dense", "albert.pooler")
    table |= _dense("cls/predictions/transform/dense", "predictions.dense")
    table |= _norm("cls/predictions/transform/LayerNorm", "predictions.LayerNorm")
    table |= {"predictions.bias": Source("cls/predictions/output_bias")}
    table |= _output("cls/seq_relationship/", "sop_classifier.classifier")
    return table | _output("cls/squad/", "qa_outputs") | _output("", "classifier")


def _albert_layer(theirs: str, ours: str) -> NameTable:
    table: NameTable = {}
    for part in ("query", "key", "value"):
        table |= _dense(f"{theirs}/attention_1/self/{part}", f"{ours}.attention.{part}")
    table |= _dense(f"{theirs}/attention_1/output/dense", f"{ours}.attention.dense")
    table |= _norm(f"{theirs}/LayerNorm", f"{ours}.attention.LayerNorm")
    table |= _dense(f"{theirs}/ffn_1/intermediate/dense", f"{ours}.ffn")
    table |= _dense(f"{theirs}/ffn_1/intermediate/output/dense", f"{ours}.ffn_output")
    return table | _norm(f"{theirs}/LayerNorm_1", f"{ours}.full_layer_layer_norm")


def _electra(num_layers: int, part: Part) -> NameTable:
    scope = "electra" if part == "discriminator" else "generator"
    table = _embeddings(scope, "electra") | _bert_layers(scope, "electra", num_layers)
    table |= _dense(f"{scope}/embeddings_project", "electra.embeddings_project")
    if part == "discriminator":
        table |= _dense("discriminator_predictions/dense", "discriminator_predictions.dense")
        return table | _dense(
            "discriminator_predictions/dense_1", "discriminator_predictions.dense_prediction"
        )
    table |= _dense("generator_predictions/dense", "generator_predictions.dense")
    table |= _norm("generator_predictions/LayerNorm", "generator_predictions.LayerNorm")
    return table | {"generator_lm_head.bias": Source("generator_predictions/output_bias")}


def share_embeddings(table: NameTable, names: Iterable[str]) -> NameTable:
    """A generator's table that takes the discriminator's embeddings where it has none of its own."""
    own, shared = "generator/embeddings/", "electra/embeddings/"
    if any(name.startswith(own) for name in names):
        return table
    return {ours: Source(source.name.replace(own, shared), source.change) for ours, source in table.items()}
