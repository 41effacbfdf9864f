"""ModernBERT: norms first, gated layers, rotary positions, and blocks that see only their neighbours.

Source: Warner et al. 2024, Smarter, Better, Faster, Longer: A Modern Bidirectional Encoder.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from erya.checkpoints.families.family import USUAL_CLASSES, Family, Table
from erya.checkpoints.families.layouts import TAGGER, dense
from erya.checkpoints.families.options import activation, make_config, pad_id, refuse, take
from erya.checkpoints.info import TaskName
from erya.errors import CheckpointError
from erya.models.config import EncoderConfig
from erya.models.positions import Rotary

_FIELDS = {
    "vocab_size": "vocab_size",
    "hidden_size": "hidden_size",
    "num_hidden_layers": "num_layers",
    "num_attention_heads": "num_heads",
    "intermediate_size": "intermediate_size",
    "max_position_embeddings": "max_positions",
    "mlp_dropout": "dropout_prob",
    "attention_dropout": "attention_dropout_prob",
    "norm_eps": "layer_norm_eps",
    "initializer_range": "initializer_range",
    "norm_bias": "norm_bias",
    "attention_bias": "attention_bias",
    "mlp_bias": "feedforward_bias",
    "classifier_bias": "head_bias",
}
_DEFAULTS: Mapping[str, Any] = {
    "vocab_size": 50368,
    "hidden_size": 768,
    "num_hidden_layers": 22,
    "num_attention_heads": 12,
    "intermediate_size": 1152,
    "max_position_embeddings": 8192,
    "mlp_dropout": 0.0,
    "attention_dropout": 0.0,
    "norm_eps": 1e-5,
    "initializer_range": 0.02,
    "norm_bias": False,
    "attention_bias": False,
    "mlp_bias": False,
    "classifier_bias": False,
}
_NEUTRAL = {"decoder_bias": (None, True), "rope_scaling": (None,)}
_FULL, _LOCAL = "full_attention", "sliding_attention"
# Which kind of layer, the old option for the base of its angles, and what that is when nothing is said.
_BASES = {_FULL: ("global_rope_theta", 160_000.0), _LOCAL: ("local_rope_theta", 10_000.0)}
_POOLING = {"cls": "first", "mean": "mean"}


def _parse(data: Mapping[str, Any], where: str) -> tuple[EncoderConfig, tuple[str, ...]]:
    refuse(data, _NEUTRAL, where)
    values = take(data, _FIELDS, _DEFAULTS)
    act = activation(data, "classifier_activation", "gelu", where)
    pooling = data.get("classifier_pooling", "cls")
    if pooling not in _POOLING:
        raise CheckpointError(f"the option classifier_pooling={pooling!r} is unknown", where=where)
    every = _global_every(data, values["num_layers"], where)
    has_window = every > 1
    values |= {
        "family": "modernbert",
        "num_segments": 0,
        "activation": activation(data, "hidden_activation", "gelu", where),
        "pad_id": pad_id(data, 50283),
        "positions": {
            "kind": "rotary",
            "base": _base(data, _FULL, where),
            "local_base": _base(data, _LOCAL, where) if has_window else None,
        },
        "pre_norm": True,
        "gated": True,
        "window": data.get("local_attention", 128) // 2 if has_window else None,
        "global_every": every if has_window else 1,
        "head_activation": act,
        "pooler": {
            "activation": act,
            "pooling": _POOLING[pooling],
            "bias": values["head_bias"],
            "norm": True,
        },
        "dense_token_heads": True,
    }
    return make_config(values, where), _dropout_notes(data)


def _global_every(data: Mapping[str, Any], num_layers: Any, where: str) -> int:
    """Every so many layers, the first among them, see all tokens; with 1 all do."""
    types = data.get("layer_types")
    if types is None:
        return int(data.get("global_attn_every_n_layers", 3))
    for every in range(1, int(num_layers) + 1):
        if list(types) == [_LOCAL if index % every else _FULL for index in range(int(num_layers))]:
            return every
    raise CheckpointError(
        f"the option layer_types={types} has no regular pattern that begins with {_FULL}; Erya has only such",
        where=where,
    )


def _base(data: Mapping[str, Any], kind: str, where: str) -> float:
    """The base of the angles in layers of a kind, said the new way or the old one."""
    option, usual = _BASES[kind]
    said = (data.get("rope_parameters") or {}).get(kind) or {}
    if said.get("rope_type", "default") != "default":
        raise CheckpointError(
            f"the option rope_type={said['rope_type']!r} changes what the model computes, and Erya does not"
            " have it",
            where=where,
        )
    base = said.get("rope_theta", data.get(option, usual))
    # Where no other is said, local layers turn as the global ones do.
    return _base(data, _FULL, where) if base is None and kind == _LOCAL else float(base)


def _dropout_notes(data: Mapping[str, Any]) -> tuple[str, ...]:
    names = ("embedding_dropout", "mlp_dropout", "attention_dropout")
    probs = {name: data.get(name, 0.0) for name in names}
    if len(set(probs.values())) == 1:
        return ()
    listed = ", ".join(f"{name}={prob}" for name, prob in probs.items())
    return (
        f"{listed}: in training Erya drops of embeddings and of each part's output mlp_dropout, of attention"
        " probabilities attention_dropout",
    )


def _render(config: EncoderConfig) -> dict[str, Any]:
    positions = config.positions
    entries: dict[str, Any] = {theirs: getattr(config, ours) for theirs, ours in _FIELDS.items()}
    every = config.global_every if config.window is not None else 1
    entries |= {
        "embedding_dropout": config.dropout_prob,
        "hidden_activation": config.activation,
        "classifier_activation": config.pooler.activation,
        "classifier_pooling": "cls" if config.pooler.pooling == "first" else "mean",
        "decoder_bias": True,
        "pad_token_id": config.pad_id,
        "bos_token_id": None,
        "eos_token_id": None,
        "cls_token_id": None,
        "sep_token_id": None,
        "global_attn_every_n_layers": every,
        "layer_types": [_LOCAL if config.has_window(i) else _FULL for i in range(config.num_layers)],
        "tie_word_embeddings": True,
    }
    if config.window is not None:
        entries["local_attention"] = 2 * config.window
    if isinstance(positions, Rotary):
        bases = {_FULL: positions.base, _LOCAL: positions.local_base or positions.base}
        entries["rope_parameters"] = {
            kind: {"rope_type": "default", "rope_theta": base} for kind, base in bases.items()
        }
        entries |= {_BASES[kind][0]: base for kind, base in bases.items()}
    return entries


def _tensors(config: EncoderConfig) -> Table:
    table: Table = {
        "encoder.embeddings.words.weight": ("embeddings.tok_embeddings.weight",),
        **dense("encoder.embeddings.norm", "embeddings.norm", bias=config.norm_bias),
        **dense("encoder.norm", "final_norm", bias=config.norm_bias),
    }
    for index in range(config.num_layers):
        ours, theirs = f"encoder.blocks.{index}", f"layers.{index}"
        if index > 0:  # embeddings are normalised already
            table |= dense(f"{ours}.attention_norm", f"{theirs}.attn_norm", bias=config.norm_bias)
        table |= dense(f"{ours}.attention.qkv", f"{theirs}.attn.Wqkv", bias=config.attention_bias)
        table |= dense(f"{ours}.attention.output", f"{theirs}.attn.Wo", bias=config.attention_bias)
        table |= dense(f"{ours}.feedforward_norm", f"{theirs}.mlp_norm", bias=config.norm_bias)
        table |= dense(f"{ours}.feedforward.up", f"{theirs}.mlp.Wi", bias=config.feedforward_bias)
        table |= dense(f"{ours}.feedforward.down", f"{theirs}.mlp.Wo", bias=config.feedforward_bias)
    return table


def _heads(config: EncoderConfig) -> Mapping[TaskName, Table]:
    """Every head begins with the same layers, which are our pooler, our head's or what comes before it."""

    def first(ours: str) -> Table:
        norm = dense(f"{ours}.norm", "head.norm", bias=config.norm_bias)
        return dense(f"{ours}.dense", "head.dense", bias=config.head_bias) | norm

    return {
        "masked_lm": first("head") | {"head.bias": ("decoder.bias",)},
        "classify": first("encoder.pooler") | dense("classifier", "classifier"),
        "tag": first("transform") | TAGGER,
        "answer": first("transform") | dense("spans", "classifier"),
    }


MODERNBERT = Family(
    name="modernbert",
    class_prefix="ModernBert",
    prefix="model.",
    parse=_parse,
    render=_render,
    tensors=_tensors,
    heads=_heads,
    classes=USUAL_CLASSES,
    tied={"decoder.weight": "embeddings.tok_embeddings.weight"},
    dropout_default=0.0,
)
