"""RoBERTa and XLM-RoBERTa: BERT that begins to count positions behind its padding id.

Source: Liu et al. 2019, RoBERTa: A Robustly Optimized BERT Pretraining Approach; Conneau et al. 2020,
Unsupervised Cross-lingual Representation Learning at Scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from erya.checkpoints.families.bert import tensors_with_pooler
from erya.checkpoints.families.family import USUAL_CLASSES, Family, Table
from erya.checkpoints.families.layouts import DENSE_CLASSIFIER, SPANS, TAGGER, dense
from erya.checkpoints.families.options import PLAIN, bert_entries, bert_values, make_config, refuse
from erya.checkpoints.info import TaskName
from erya.errors import CheckpointError
from erya.models.config import EncoderConfig, FamilyName

_HEADS: Mapping[TaskName, Table] = {
    "masked_lm": {
        **dense("head.dense", "lm_head.dense"),
        **dense("head.norm", "lm_head.layer_norm"),
        "head.bias": ("lm_head.bias",),
    },
    "classify": DENSE_CLASSIFIER,
    "tag": TAGGER,
    "answer": SPANS,
}


def _parse(
    data: Mapping[str, Any], where: str, *, family: FamilyName, vocab_size: int
) -> tuple[EncoderConfig, tuple[str, ...]]:
    refuse(data, PLAIN, where)
    values = bert_values(data, where, defaults={"pad_token_id": 1, "vocab_size": vocab_size})
    first, rows = values["pad_id"] + 1, values["max_positions"]
    if not isinstance(rows, int) or rows <= first:
        raise CheckpointError(
            f"max_position_embeddings is {rows!r}, of which {first} are kept for padding", where=where
        )
    values |= {
        "family": family,
        "positions": {"kind": "absolute", "first": first},
        "max_positions": rows - first,
        "head_activation": "gelu",  # fixed in its code
    }
    return make_config(values, where), ()


def _parse_roberta(data: Mapping[str, Any], where: str) -> tuple[EncoderConfig, tuple[str, ...]]:
    return _parse(data, where, family="roberta", vocab_size=50265)


def _parse_xlm_roberta(data: Mapping[str, Any], where: str) -> tuple[EncoderConfig, tuple[str, ...]]:
    return _parse(data, where, family="xlm-roberta", vocab_size=30522)


def _render(config: EncoderConfig) -> dict[str, Any]:
    return {**bert_entries(config), "max_position_embeddings": config.max_positions + config.pad_id + 1}


def _heads(config: EncoderConfig) -> Mapping[TaskName, Table]:
    return _HEADS


def _family(name: FamilyName, class_prefix: str, parse: Any) -> Family:
    return Family(
        name=name,
        class_prefix=class_prefix,
        prefix="roberta.",
        parse=parse,
        render=_render,
        tensors=tensors_with_pooler,
        heads=_heads,
        classes=USUAL_CLASSES,
        tied={
            "lm_head.decoder.weight": "embeddings.word_embeddings.weight",
            "lm_head.decoder.bias": "lm_head.bias",
        },
    )


ROBERTA = _family("roberta", "Roberta", _parse_roberta)
XLM_ROBERTA = _family("xlm-roberta", "XLMRoberta", _parse_xlm_roberta)
