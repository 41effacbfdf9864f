"""NEZHA: BERT with relative positions. `transformers` has had no such family since version 5.

Source: Wei et al. 2019, NEZHA: Neural Contextualized Representation for Chinese Language Understanding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from erya.checkpoints.families.bert import CLASSES, bert_heads, tensors_with_pooler
from erya.checkpoints.families.family import Family
from erya.checkpoints.families.layouts import MASKED_TIED
from erya.checkpoints.families.options import PLAIN, bert_entries, bert_values, make_config, refuse
from erya.models.config import EncoderConfig
from erya.models.positions import Relative

_MAX_DISTANCE = 64
_NEUTRAL = {"embedding_size": PLAIN["embedding_size"], "use_relative_position": (None, True)}


def _parse(data: Mapping[str, Any], where: str) -> tuple[EncoderConfig, tuple[str, ...]]:
    refuse(data, _NEUTRAL, where)
    distance = data.get("max_relative_position", _MAX_DISTANCE)
    values = bert_values(data, where, defaults={"vocab_size": 21128}) | {
        "family": "nezha",
        "positions": {"kind": "relative", "max_distance": distance},
    }
    return make_config(values, where), ()


def _render(config: EncoderConfig) -> dict[str, Any]:
    entries = bert_entries(config)
    if isinstance(config.positions, Relative):
        entries |= {"max_relative_position": config.positions.max_distance, "use_relative_position": True}
    return entries


NEZHA = Family(
    name="nezha",
    class_prefix="Nezha",
    prefix="nezha.",
    parse=_parse,
    render=_render,
    tensors=tensors_with_pooler,
    heads=bert_heads,
    classes=CLASSES,
    tied=MASKED_TIED,
    dropout_default=0.1,
    ignored=(
        r"embeddings\.(position|token_type)_ids",
        r"encoder\.layer\.\d+\.attention\.self\.relative_positions_encoding\.positions_encoding",
    ),
)
