"""DistilBERT: half of BERT's layers, no segments, no pooler.

Source: Sanh et al. 2019, DistilBERT, a distilled version of BERT.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from erya.checkpoints.families.family import USUAL_CLASSES, Family, Table
from erya.checkpoints.families.layouts import SPANS, TAGGER, dense
from erya.checkpoints.families.options import PLAIN, activation, make_config, pad_id, refuse, take
from erya.checkpoints.info import TaskName
from erya.models.config import EncoderConfig

_FIELDS = {
    "vocab_size": "vocab_size",
    "dim": "hidden_size",
    "n_layers": "num_layers",
    "n_heads": "num_heads",
    "hidden_dim": "intermediate_size",
    "max_position_embeddings": "max_positions",
    "dropout": "dropout_prob",
    "attention_dropout": "attention_dropout_prob",
    "initializer_range": "initializer_range",
}
_DEFAULTS: Mapping[str, Any] = {
    "vocab_size": 30522,
    "dim": 768,
    "n_layers": 6,
    "n_heads": 12,
    "hidden_dim": 3072,
    "max_position_embeddings": 512,
    "dropout": 0.1,
    "attention_dropout": 0.1,
    "initializer_range": 0.02,
}
# Options that have BERT's name too.
_ALIASES = {"hidden_size": "dim", "num_hidden_layers": "n_layers", "num_attention_heads": "n_heads"}
_LAYER = (
    ("attention.qkv", ("attention.q_lin", "attention.k_lin", "attention.v_lin")),
    ("attention.output", ("attention.out_lin",)),
    ("attention_norm", ("sa_layer_norm",)),
    ("feedforward.up", ("ffn.lin1",)),
    ("feedforward.down", ("ffn.lin2",)),
    ("feedforward_norm", ("output_layer_norm",)),
)
_HEADS: Mapping[TaskName, Table] = {
    "masked_lm": {
        **dense("head.dense", "vocab_transform"),
        **dense("head.norm", "vocab_layer_norm"),
        "head.bias": ("vocab_projector.bias",),
    },
    "classify": {
        **dense("encoder.pooler.dense", "pre_classifier"),
        **dense("classifier", "classifier"),
    },
    "tag": TAGGER,
    "answer": SPANS,
}


def _parse(data: Mapping[str, Any], where: str) -> tuple[EncoderConfig, tuple[str, ...]]:
    refuse(data, PLAIN, where)
    known = {_ALIASES.get(option, option): value for option, value in data.items()}
    values = take(known, _FIELDS, _DEFAULTS) | {
        "family": "distilbert",
        "num_segments": 0,
        "activation": activation(data, "activation", "gelu", where),
        "layer_norm_eps": 1e-12,  # fixed in its code
        "pad_id": pad_id(data),
        "pooler": {"activation": "relu"},
    }
    return make_config(values, where), ()


def _render(config: EncoderConfig) -> dict[str, Any]:
    return {
        **{theirs: getattr(config, ours) for theirs, ours in _FIELDS.items()},
        "activation": config.activation,
        "pad_token_id": config.pad_id,
        "sinusoidal_pos_embds": False,
        "tie_word_embeddings": True,
    }


def _tensors(config: EncoderConfig) -> Table:
    table: Table = {
        "encoder.embeddings.words.weight": ("embeddings.word_embeddings.weight",),
        "encoder.embeddings.positions.weight": ("embeddings.position_embeddings.weight",),
        **dense("encoder.embeddings.norm", "embeddings.LayerNorm"),
    }
    for index in range(config.num_layers):
        for ours, theirs in _LAYER:
            names = (f"transformer.layer.{index}.{name}" for name in theirs)
            table |= dense(f"encoder.blocks.{index}.{ours}", *names)
    return table


def _heads(config: EncoderConfig) -> Mapping[TaskName, Table]:
    return _HEADS


DISTILBERT = Family(
    name="distilbert",
    class_prefix="DistilBert",
    prefix="distilbert.",
    parse=_parse,
    render=_render,
    tensors=_tensors,
    heads=_heads,
    classes=USUAL_CLASSES,
    tied={"vocab_projector.weight": "embeddings.word_embeddings.weight"},
    dropout_key="seq_classif_dropout",
    dropout_default=0.2,
)
