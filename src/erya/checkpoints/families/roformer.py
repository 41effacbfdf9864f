"""RoFormer: BERT with rotary positions and no pooler.

Source: Su et al. 2021, RoFormer: Enhanced Transformer with Rotary Position Embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from erya.checkpoints.families.electra import projected_tensors
from erya.checkpoints.families.family import USUAL_CLASSES, Family, Table
from erya.checkpoints.families.layouts import DENSE_CLASSIFIER, MASKED_HEAD, MASKED_TIED, SPANS, TAGGER
from erya.checkpoints.families.options import bert_entries, bert_values, embedding_size, make_config, refuse
from erya.checkpoints.info import TaskName
from erya.models.config import EncoderConfig
from erya.models.positions import Rotary

_DEFAULTS: Mapping[str, Any] = {"vocab_size": 50000, "max_position_embeddings": 1536}
# An option of ours: `transformers` takes whatever angles are stored.
_BASE_OPTION = "rotary_base"
_BASE = 10_000.0
_ANGLES = "encoder.embed_positions.weight"
_HEADS: Mapping[TaskName, Table] = {
    "masked_lm": MASKED_HEAD,
    "classify": DENSE_CLASSIFIER,
    "tag": TAGGER,
    "answer": SPANS,
}


def _parse(data: Mapping[str, Any], where: str) -> tuple[EncoderConfig, tuple[str, ...]]:
    refuse(data, {}, where)
    values = bert_values(data, where, defaults=_DEFAULTS)
    values |= {
        "family": "roformer",
        "embedding_size": embedding_size(data, values["hidden_size"]),
        "positions": {
            "kind": "rotary",
            "base": data.get(_BASE_OPTION, _BASE),
            "interleaved": True,
            "values": data.get("rotary_value", False),
        },
        "pooler": {"activation": values["activation"]},
    }
    return make_config(values, where), ()


def _render(config: EncoderConfig) -> dict[str, Any]:
    positions = config.positions
    entries = {**bert_entries(config), "embedding_size": config.words_size}
    if isinstance(positions, Rotary):
        entries["rotary_value"] = positions.values
        if positions.base != _BASE:
            entries[_BASE_OPTION] = positions.base
    return entries


def _angles(config: EncoderConfig) -> dict[str, NDArray[np.float32]]:
    """The sines and, behind them, the cosines that `transformers` stores, to the last bit as it has them."""
    positions = config.positions
    if not isinstance(positions, Rotary):
        return {}
    size = config.hidden_size // config.num_heads
    frequencies = np.power(positions.base, 2 * np.arange(size // 2) / size)
    turned = np.arange(config.max_positions)[:, None] / frequencies
    return {_ANGLES: np.concatenate([np.sin(turned), np.cos(turned)], axis=1).astype(np.float32)}


def _heads(config: EncoderConfig) -> Mapping[TaskName, Table]:
    return _HEADS


ROFORMER = Family(
    name="roformer",
    class_prefix="RoFormer",
    prefix="roformer.",
    parse=_parse,
    render=_render,
    tensors=projected_tensors,
    heads=_heads,
    classes=USUAL_CLASSES,
    tied=MASKED_TIED,
    dropout_key=None,
    derived=_angles,
)
