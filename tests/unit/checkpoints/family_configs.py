"""A tiny configuration of each family, with odd sizes and options off their defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from erya.models.config import EncoderConfig, FamilyName, PoolerConfig
from erya.models.positions import Absolute, Disentangled, Relative, Rotary

_SIZES: dict[str, Any] = {
    "vocab_size": 53,
    "hidden_size": 30,
    "num_layers": 3,
    "num_heads": 5,
    "intermediate_size": 37,
    "max_positions": 41,
    "num_segments": 3,
    "activation": "gelu_new",
    "dropout_prob": 0.2,
    "attention_dropout_prob": 0.3,
    "layer_norm_eps": 1e-5,
    "initializer_range": 0.07,
    "pad_id": 3,
}


def _config(family: FamilyName, **options: Any) -> EncoderConfig:
    return EncoderConfig(**(_SIZES | {"family": family} | options))


def _roberta(family: FamilyName) -> EncoderConfig:
    return _config(family, positions=Absolute(first=4), head_activation="gelu")


CONFIGS: Mapping[FamilyName, EncoderConfig] = {
    "bert": _config("bert"),
    "ernie": _config("ernie", num_tasks=5),
    "distilbert": _config(
        "distilbert", num_segments=0, layer_norm_eps=1e-12, pooler=PoolerConfig(activation="relu")
    ),
    "electra": _config(
        "electra", embedding_size=14, head_activation="gelu", pooler=PoolerConfig(activation="gelu")
    ),
    "albert": _config("albert", embedding_size=14, num_groups=2, group_size=2),
    "roberta": _roberta("roberta"),
    "xlm-roberta": _roberta("xlm-roberta"),
    "roformer": _config(
        "roformer",
        embedding_size=14,
        positions=Rotary(interleaved=True, values=True),
        pooler=PoolerConfig(activation="gelu_new"),
    ),
    "nezha": _config("nezha", positions=Relative(max_distance=7)),
    "deberta-v2": _config(
        "deberta-v2",
        embedding_size=14,
        norm_after_projection=True,
        positions=Disentangled(
            max_distance=29, num_buckets=6, shared_projections=False, norm=True, absolute=True
        ),
        convolution=3,
        convolution_groups=2,
        convolution_activation="gelu",
        pooler=PoolerConfig(activation="silu"),
    ),
    "modernbert": _config(
        "modernbert",
        num_segments=0,
        positions=Rotary(base=5000.0, local_base=700.0),
        pre_norm=True,
        gated=True,
        norm_bias=True,
        feedforward_bias=True,
        window=3,
        global_every=2,
        head_activation="silu",
        pooler=PoolerConfig(activation="silu", pooling="mean", norm=True),
        dense_token_heads=True,
    ),
}
