"""DeBERTa, versions 2 and 3: disentangled attention, perhaps a convolution after the first layer.

Source: He et al. 2021, DeBERTa: Decoding-enhanced BERT with Disentangled Attention; He et al. 2023,
DeBERTaV3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from erya.checkpoints.families.family import USUAL_CLASSES, Family, Table
from erya.checkpoints.families.layouts import (
    BERT_HEADS,
    MASKED_HEAD,
    MASKED_TIED,
    POOLER,
    SPANS,
    TAGGER,
    bert_encoder,
    dense,
)
from erya.checkpoints.families.options import (
    activation,
    bert_entries,
    bert_values,
    embedding_size,
    make_config,
    refuse,
)
from erya.checkpoints.info import TaskName
from erya.errors import CheckpointError
from erya.models.config import EncoderConfig
from erya.models.positions import Disentangled

_DEFAULTS: Mapping[str, Any] = {
    "vocab_size": 128100,
    "hidden_size": 1536,
    "num_hidden_layers": 24,
    "num_attention_heads": 24,
    "intermediate_size": 6144,
    "type_vocab_size": 0,
    "layer_norm_eps": 1e-7,
}
_TERMS = ("c2p", "p2c")
_QKV = ("query_proj", "key_proj", "value_proj")
# The layer that projects distances as keys serves queries of tokens, the other one keys.
_DISTANCES = (("c2p", "key", "pos_key_proj"), ("p2c", "query", "pos_query_proj"))
# Microsoft's own files have the masked-language head under these names; `transformers` reads it only with the
# option legacy=False.
_OWN_HEAD = {
    "lm_predictions.lm_head.dense": "cls.predictions.transform.dense",
    "lm_predictions.lm_head.LayerNorm": "cls.predictions.transform.LayerNorm",
}
_HEADS: Mapping[TaskName, Table] = {
    "masked_lm": MASKED_HEAD,
    # Its pooler stands beside the encoder, not in it.
    "classify": POOLER | BERT_HEADS["classify"],
    "tag": TAGGER,
    "answer": SPANS,
}


def _parse(data: Mapping[str, Any], where: str) -> tuple[EncoderConfig, tuple[str, ...]]:
    values = bert_values(data, where, defaults=_DEFAULTS)
    hidden_size = values["hidden_size"]
    refuse(data, {"pooler_hidden_size": (None, hidden_size)}, where)
    if "attention_head_size" in data and data["attention_head_size"] * values["num_heads"] != hidden_size:
        refuse(data, {"attention_head_size": (None,)}, where)
    values |= {
        "family": "deberta-v2",
        "embedding_size": embedding_size(data, hidden_size),
        "norm_after_projection": True,
        "positions": _positions(data, values["max_positions"], where),
        "pooler": {"activation": activation(data, "pooler_hidden_act", "gelu", where)},
    }
    if (data.get("conv_kernel_size") or 0) > 0:
        values |= {
            "convolution": data["conv_kernel_size"],
            "convolution_groups": data.get("conv_groups", 1),
            "convolution_activation": activation(data, "conv_act", "tanh", where),
        }
    notes: tuple[str, ...] = ()
    if data.get("pooler_dropout"):
        notes = (f"pooler_dropout={data['pooler_dropout']}: Erya drops nothing before the pooler's layer",)
    return make_config(values, where), notes


def _positions(data: Mapping[str, Any], max_positions: Any, where: str) -> dict[str, Any]:
    said = data.get("pos_att_type") or []
    kinds = said.lower().split("|") if isinstance(said, str) else said
    terms = tuple(term for term in _TERMS if term in [str(kind).strip() for kind in kinds])
    is_absolute = data.get("position_biased_input", True)
    if not data.get("relative_attention", False):
        if terms or not is_absolute:
            raise CheckpointError(
                f"the options relative_attention=False, pos_att_type={said!r} and"
                f" position_biased_input={is_absolute} together give attention that Erya does not have",
                where=where,
            )
        return {"kind": "absolute"}
    distance = data.get("max_relative_positions", -1)
    buckets = data.get("position_buckets", -1)
    return {
        "kind": "disentangled",
        "max_distance": distance if distance >= 1 else max_positions,
        "num_buckets": buckets if buckets > 0 else None,
        "terms": terms,
        "shared_projections": data.get("share_att_key", False),
        "norm": "layer_norm" in str(data.get("norm_rel_ebd", "none")).lower(),
        "absolute": is_absolute,
    }


def _render(config: EncoderConfig) -> dict[str, Any]:
    entries = bert_entries(config) | {
        "pooler_hidden_act": config.pooler.activation,
        "pooler_hidden_size": config.hidden_size,
        "relative_attention": False,
        "position_biased_input": True,
        "legacy": True,
    }
    if config.embedding_size is not None:
        entries["embedding_size"] = config.embedding_size
    positions = config.positions
    if isinstance(positions, Disentangled):
        entries |= {
            "relative_attention": True,
            "position_biased_input": positions.absolute,
            "max_relative_positions": positions.max_distance,
            "position_buckets": positions.num_buckets or -1,
            "pos_att_type": list(positions.terms),
            "share_att_key": positions.shared_projections,
            "norm_rel_ebd": "layer_norm" if positions.norm else "none",
        }
    if config.convolution is not None:
        entries |= {
            "conv_kernel_size": config.convolution,
            "conv_groups": config.convolution_groups,
            "conv_act": config.convolution_activation,
        }
    return entries


def _tensors(config: EncoderConfig) -> Table:
    table = bert_encoder(config, qkv=_QKV)
    if config.embedding_size is not None:
        table["encoder.embeddings.projection.weight"] = ("embeddings.embed_proj.weight",)
    if config.convolution is not None:
        table |= dense("encoder.convolution.convolution", "encoder.conv.conv")
        table |= dense("encoder.convolution.norm", "encoder.conv.LayerNorm")
    positions = config.positions
    if not isinstance(positions, Disentangled):
        return table
    table["encoder.distances.embeddings.weight"] = ("encoder.rel_embeddings.weight",)
    if positions.norm:
        table |= dense("encoder.distances.norm", "encoder.LayerNorm")
    if not positions.shared_projections:
        for index in range(config.num_layers):
            ours, theirs = f"encoder.blocks.{index}.attention", f"encoder.layer.{index}.attention.self"
            for term, part, name in _DISTANCES:
                if term in positions.terms:
                    table |= dense(f"{ours}.relative.{part}", f"{theirs}.{name}")
    return table


def _heads(config: EncoderConfig) -> Mapping[TaskName, Table]:
    return _HEADS


DEBERTA_V2 = Family(
    name="deberta-v2",
    class_prefix="DebertaV2",
    prefix="deberta.",
    parse=_parse,
    render=_render,
    tensors=_tensors,
    heads=_heads,
    classes=USUAL_CLASSES,
    tied={
        **MASKED_TIED,
        **{
            f"{theirs}.{ending}": f"{usual}.{ending}"
            for theirs, usual in _OWN_HEAD.items()
            for ending in ("weight", "bias")
        },
        "lm_predictions.lm_head.bias": "cls.predictions.bias",
    },
    dropout_key="cls_dropout",
    # Without absolute positions it stores a table of them all the same in places, and uses it nowhere.
    ignored=(r"embeddings\.(position|token_type)_ids", r"embeddings\.position_embeddings\.weight"),
    other_heads=("mask_predictions.",),
)
