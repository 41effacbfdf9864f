"""ALBERT: narrow embeddings, and groups of layers that share their weights.

Source: Lan et al. 2020, ALBERT: A Lite BERT for Self-supervised Learning of Language Representations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from erya.checkpoints.families.family import USUAL_CLASSES, Family, Table
from erya.checkpoints.families.layouts import SPANS, TAGGER, bert_embeddings, dense
from erya.checkpoints.families.options import bert_entries, bert_values, make_config, refuse
from erya.checkpoints.info import TaskName
from erya.models.config import EncoderConfig

_DEFAULTS: Mapping[str, Any] = {
    "vocab_size": 30000,
    "hidden_size": 4096,
    "num_attention_heads": 64,
    "intermediate_size": 16384,
    "hidden_act": "gelu_new",
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
_EMBEDDING_SIZE = 128
_BLOCK = (
    ("attention.qkv", ("attention.query", "attention.key", "attention.value")),
    ("attention.output", ("attention.dense",)),
    ("attention_norm", ("attention.LayerNorm",)),
    ("feedforward.up", ("ffn",)),
    ("feedforward.down", ("ffn_output",)),
    ("feedforward_norm", ("full_layer_layer_norm",)),
)
_HEADS: Mapping[TaskName, Table] = {
    "masked_lm": {
        **dense("head.dense", "predictions.dense"),
        **dense("head.norm", "predictions.LayerNorm"),
        "head.bias": ("predictions.bias",),
    },
    "classify": dense("classifier", "classifier"),
    "tag": TAGGER,
    "answer": SPANS,
    "next_sentence": dense("next_sentence", "sop_classifier.classifier"),
}


def _parse(data: Mapping[str, Any], where: str) -> tuple[EncoderConfig, tuple[str, ...]]:
    refuse(data, {"position_embedding_type": (None, "absolute")}, where)
    values = bert_values(data, where, defaults=_DEFAULTS) | {
        "family": "albert",
        # It projects embeddings of any width, of the states' own as well.
        "embedding_size": data.get("embedding_size", _EMBEDDING_SIZE),
        "num_groups": data.get("num_hidden_groups", 1),
        "group_size": data.get("inner_group_num", 1),
    }
    return make_config(values, where), ()


def _render(config: EncoderConfig) -> dict[str, Any]:
    return {
        **bert_entries(config),
        "embedding_size": config.words_size,
        "num_hidden_groups": config.num_groups or config.num_layers,
        "inner_group_num": config.group_size,
    }


def _tensors(config: EncoderConfig) -> Table:
    table = bert_embeddings(config)
    table |= dense("encoder.embeddings.projection", "encoder.embedding_hidden_mapping_in")
    for index in range((config.num_groups or config.num_layers) * config.group_size):
        group, place = divmod(index, config.group_size)
        block = f"encoder.albert_layer_groups.{group}.albert_layers.{place}"
        for ours, theirs in _BLOCK:
            table |= dense(f"encoder.blocks.{index}.{ours}", *(f"{block}.{name}" for name in theirs))
    return table | dense("encoder.pooler.dense", "pooler")


def _heads(config: EncoderConfig) -> Mapping[TaskName, Table]:
    return _HEADS


ALBERT = Family(
    name="albert",
    class_prefix="Albert",
    prefix="albert.",
    parse=_parse,
    render=_render,
    tensors=_tensors,
    heads=_heads,
    classes={**USUAL_CLASSES, "ForPreTraining": ("masked_lm", "next_sentence")},
    tied={
        "predictions.decoder.weight": "embeddings.word_embeddings.weight",
        "predictions.decoder.bias": "predictions.bias",
    },
    dropout_key="classifier_dropout_prob",
    dropout_default=0.1,
)
